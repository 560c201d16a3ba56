import { describe, expect, it } from 'vitest'
import { decades, doublings, logAxis, nearest } from './scales'

describe('where sliders stop', () => {
  it('by decades, in numbers of two digits', () => {
    const stops = decades(1e7, 1e13, 20)
    expect(stops).toHaveLength(121)
    expect([stops[0], stops[20], stops.at(-1)]).toEqual([1e7, 1e8, 1e13])
    expect(stops.every((stop, at) => at === 0 || stop > (stops[at - 1] ?? 0))).toBe(true)
  })

  it('by doublings, whole servers from eight on', () => {
    const stops = doublings(100_000)
    expect(stops.slice(0, 8)).toEqual([1, 2, 4, 8, 16, 24, 32, 48])
    expect(stops.at(-1)).toBe(100_000)
    expect(stops.filter((stop) => stop > 8).every((stop) => stop % 8 === 0)).toBe(true)
  })

  it('a value between two stops is at the nearer one, by ratio', () => {
    expect(nearest([1, 10, 100], 4)).toBe(1)
    expect(nearest([1, 10, 100], 3)).toBe(0)
    expect(nearest([1, 10, 100], 1e9)).toBe(2)
  })
})

describe('a logarithmic axis', () => {
  it('goes from a power of ten to another and holds all values', () => {
    const axis = logAxis([3, 4200])
    expect([axis.from, axis.to, axis.ticks]).toEqual([1, 10_000, [1, 10, 100, 1000, 10_000]])
    expect([axis.at(1), axis.at(100), axis.at(10_000)]).toEqual([0, 0.5, 1])
  })

  it('spans a decade at least, and has few ticks', () => {
    expect(logAxis([100, 100]).ticks).toEqual([100, 200, 500, 1000])
    expect(logAxis([1e-3, 1e9]).ticks.length).toBeLessThanOrEqual(5)
  })

  it('does not stumble over nothing', () => {
    expect(logAxis([0, Infinity]).ticks).toEqual([1, 2, 5, 10])
  })
})
