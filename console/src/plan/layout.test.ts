import { describe, expect, it } from 'vitest'
import { drawingOf } from './layout'

describe('a layout that is drawn', () => {
  it('has a box for each device while there is room', () => {
    expect(drawingOf({ data: 4, tensor: 2, pipeline: 3 })).toEqual({ columns: 3, rows: 2, replicas: 4, hidden: { columns: 0, rows: 0, replicas: 0 } })
  })

  it('says what is left out', () => {
    const drawing = drawingOf({ data: 10_000, tensor: 8, pipeline: 125 })
    expect(drawing).toEqual({ columns: 16, rows: 8, replicas: 1, hidden: { columns: 109, rows: 0, replicas: 9999 } })
  })

  it('never draws more boxes than a replica or a page has', () => {
    for (const data of [1, 3, 64]) {
      for (const tensor of [1, 2, 4, 8]) {
        for (const pipeline of [1, 4, 12, 96]) {
          const { columns, rows, replicas, hidden } = drawingOf({ data, tensor, pipeline })
          expect(replicas + hidden.replicas).toBe(data)
          expect(columns + hidden.columns).toBe(pipeline)
          expect(replicas === 1 || columns * rows * replicas <= 96).toBe(true)
        }
      }
    }
  })
})
