/**
 * Splits Markdown into top-level blocks, so that of a growing answer only the last block is parsed again.
 * A cut is made only where it cannot change the meaning: at a blank line outside fences and formulas, before a line
 * that does not continue a list or an indented block. The blocks joined give the text back.
 */
export function splitBlocks(text: string): string[] {
  // A definition may be used in any block, so such a text stays whole.
  if (DEFINITION.test(text)) return [text]
  const blocks: string[] = []
  let start = 0
  let at = 0
  let afterBlank = false
  let closing: RegExp | null = null
  let inList = false

  while (at < text.length) {
    const newline = text.indexOf('\n', at)
    const end = newline < 0 ? text.length : newline + 1
    const line = text.slice(at, end)
    const blank = !line.trim()

    if (closing) {
      if (closing.test(line)) closing = null
    } else if (!blank) {
      const item = LIST_ITEM.test(line)
      const continues = INDENTED.test(line) || (item && inList)
      if (afterBlank && !continues) {
        blocks.push(text.slice(start, at))
        start = at
        inList = item
      } else if (item && at === start) {
        inList = true
      }
      closing = opens(line)
    }
    afterBlank = blank && !closing
    at = end
  }
  if (start < text.length) blocks.push(text.slice(start))
  return blocks
}

const DEFINITION = /^ {0,3}\[[^\]\n]+\]:/m
const INDENTED = /^(?: {2,}|\t)/
const LIST_ITEM = /^ {0,3}(?:[-*+]|\d{1,9}[.)])(?:\s|$)/
const FENCE = /^[ \t]*(?:(?:[-*+]|\d{1,9}[.)])[ \t]+)?(`{3,}|~{3,})(.*)/

/** What closes the fence or formula that a line opens, if it opens one. */
function opens(line: string): RegExp | null {
  const fence = FENCE.exec(line)
  if (fence?.[1]) {
    const [, ticks, info = ''] = fence
    if (ticks[0] === '`' && info.includes('`')) return null
    return new RegExp(`^[ \\t]*\\${ticks[0]}{${ticks.length},}[ \\t]*\\r?\\n?$`)
  }
  const trimmed = line.trim()
  if (trimmed.startsWith('$$') && !trimmed.slice(2).includes('$$')) return /\$\$/
  if (trimmed.startsWith('\\[') && !trimmed.includes('\\]')) return /\\\]/
  return null
}
