import { describe, expect, it } from 'vitest'
import { chartOf, type Point } from './chart'

const FRAME = { left: 0, right: 100, top: 0, bottom: 100 }
const point = (x: number, y: number, faint = false): Point => ({ x, y, low: y / 2, high: y * 2, faint })

describe('a chart', () => {
  it('draws a power law as a straight line', () => {
    const { solid, dashed } = chartOf([point(1, 100), point(10, 10), point(100, 1)], FRAME)
    const [, slopes] = [dashed, [...solid.matchAll(/M([\d.]+) ([\d.]+)L([\d.]+) ([\d.]+)/g)].map(([, a, b, c, d]) => (Number(d) - Number(b)) / (Number(c) - Number(a)))]
    expect(dashed).toBe('')
    expect(slopes).toHaveLength(2)
    expect(slopes[0]).toBeCloseTo(slopes[1] ?? 0, 2)
  })

  it('breaks the line where something cannot be had', () => {
    const { solid, dashed } = chartOf([point(1, 100, true), point(10, 10), point(100, 1)], FRAME)
    expect([solid.split('M').length, dashed.split('M').length]).toEqual([2, 2])
  })

  it('holds the band and what must be seen beside it', () => {
    const chart = chartOf([point(10, 10), point(20, 10)], FRAME, [1000], [0.5])
    for (const [x, y] of [[10, 20], [20, 5], [1000, 0.5]] as const) {
      expect(chart.across(x)).toBeGreaterThanOrEqual(0)
      expect(chart.across(x)).toBeLessThanOrEqual(100)
      expect(chart.up(y)).toBeGreaterThanOrEqual(0)
      expect(chart.up(y)).toBeLessThanOrEqual(100)
    }
    expect(chart.band).toMatch(/^M.+Z$/)
  })
})
