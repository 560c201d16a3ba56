export interface Piece {
  text: string
  changed: boolean
}

const MOST = 600
const LEAST_COMMON = 0.3

/** Words, spaces, and each Han character or sign by itself. */
const tokens = (text: string): string[] => text.match(/\s+|[\p{Script=Latin}\p{N}_'’]+|./gsu) ?? []

/**
 * Both texts in pieces, those marked that the other one lacks: their longest common subsequence of words stays unmarked.
 * Texts that are very long, or have little in common, come back whole: marks everywhere show nothing.
 */
export function diff(before: string, after: string): [Piece[], Piece[]] {
  const a = tokens(before)
  const b = tokens(after)
  const whole = (text: string): Piece[] => [{ text, changed: false }]
  if (a.length > MOST || b.length > MOST) return [whole(before), whole(after)]
  // lengths[i][j]: of the longest common subsequence of a from i on and b from j on.
  const lengths = Array.from({ length: a.length + 1 }, () => new Uint16Array(b.length + 1))
  const at = (i: number, j: number): number => lengths[i]?.[j] ?? 0
  for (let i = a.length - 1; i >= 0; i--) {
    const row = lengths[i]
    if (!row) continue
    for (let j = b.length - 1; j >= 0; j--) row[j] = a[i] === b[j] ? at(i + 1, j + 1) + 1 : Math.max(at(i + 1, j), at(i, j + 1))
  }
  if (at(0, 0) < LEAST_COMMON * Math.max(a.length, b.length)) return [whole(before), whole(after)]
  const left: Piece[] = []
  const right: Piece[] = []
  for (let i = 0, j = 0; i < a.length || j < b.length; ) {
    if (i < a.length && j < b.length && a[i] === b[j]) {
      add(left, a[i++], false)
      add(right, b[j++], false)
    } else if (j >= b.length || (i < a.length && at(i + 1, j) >= at(i, j + 1))) add(left, a[i++], true)
    else add(right, b[j++], true)
  }
  return [left, right]
}

function add(pieces: Piece[], text = '', changed: boolean): void {
  const last = pieces.at(-1)
  if (last?.changed === changed) last.text += text
  else pieces.push({ text, changed })
}
