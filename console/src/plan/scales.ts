/** Where a slider stops: `perDecade` numbers of two digits from `from` to `to`. */
export function decades(from: number, to: number, perDecade: number): number[] {
  const steps = Math.round(Math.log10(to / from) * perDecade)
  return Array.from({ length: steps + 1 }, (_, step) => Number((from * 10 ** (step / perDecade)).toPrecision(2)))
}

/** Powers of two, and from eight on the numbers half-way, up to `to`: what layouts can divide. */
export function doublings(to: number): number[] {
  const found: number[] = []
  for (let power = 1; power <= to; power *= 2) found.push(...(power < 16 ? [power] : [power, power * 1.5]))
  return [...found.filter((stop) => stop < to), to]
}

/** The stop that is nearest to a value by ratio. */
export function nearest(stops: readonly number[], value: number): number {
  let best = 0
  stops.forEach((stop, at) => {
    if (Math.abs(Math.log(stop / value)) < Math.abs(Math.log((stops[best] ?? 1) / value))) best = at
  })
  return best
}

export interface Axis {
  from: number
  to: number
  /** Values that have a line and a label. */
  ticks: number[]
  /** 0 at `from`, 1 at `to`. */
  at: (value: number) => number
}

const MOST_TICKS = 5

/** A logarithmic axis that holds all values and spans at least a decade, with ticks at powers of ten; of a single decade at 2 and 5 as well. */
export function logAxis(values: readonly number[]): Axis {
  const known = values.filter((value) => value > 0 && Number.isFinite(value))
  let low = Math.floor(Math.log10(Math.min(...known)) + 1e-9)
  let high = Math.ceil(Math.log10(Math.max(...known)) - 1e-9)
  if (!known.length) [low, high] = [0, 1]
  if (high === low) high += 1
  const every = Math.ceil((high - low) / (MOST_TICKS - 1))
  const ticks = high - low === 1 ? [1, 2, 5, 10].map((step) => step * 10 ** low) : []
  if (!ticks.length) for (let power = low; power <= high; power += every) ticks.push(10 ** power)
  return { from: 10 ** low, to: 10 ** high, ticks, at: (value) => (Math.log10(value) - low) / (high - low) }
}
