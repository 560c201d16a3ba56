import { describe, expect, it } from 'vitest'
import { curvePath, curvesOf } from './curve'

const step = (at: number, loss: unknown) => ({ event: 'step', time: 0, step: at, steps: 3, loss })

describe('curvesOf', () => {
  it('takes each step once, as it came out last, and only what is a number', () => {
    const events = [step(1, 4), step(2, 9), { event: 'started', time: 0 }, step(2, 2), step(3, null)]
    expect(curvesOf(events)).toEqual([{ objective: 'sft', steps: 3, points: [{ step: 1, loss: 4 }, { step: 2, loss: 2 }] }])
  })

  it('keeps the objectives of a turn apart, in their order', () => {
    const events = [{ ...step(1, 4), part: 'sft' }, { ...step(1, 0.7), part: 'dpo', steps: 10 }, { ...step(2, 0.6), part: 'dpo', steps: 10 }]
    expect(curvesOf(events).map(({ objective, steps, points }) => [objective, steps, points.length])).toEqual([['sft', 3, 1], ['dpo', 10, 2]])
  })
})

describe('curvePath', () => {
  it('fills the width over all steps and begins the height at zero', () => {
    const points = [{ step: 1, loss: 4 }, { step: 2, loss: 2 }, { step: 3, loss: 0 }]
    expect(curvePath(points, 3, 100, 40)).toBe('M0 0L50 20L100 40')
    expect(curvePath(points.slice(0, 2), 5, 100, 40)).toBe('M0 0L25 20')
  })

  it('draws one step, no step, and a loss of nothing', () => {
    expect(curvePath([{ step: 1, loss: 1 }], 1, 100, 40)).toBe('M0 0')
    expect(curvePath([], 3, 100, 40)).toBe('')
    expect(curvePath([{ step: 1, loss: 0 }], 3, 100, 40)).toBe('M0 40')
  })
})
