import { describe, expect, it } from 'vitest'
import { weight } from './canary'

describe('weight', () => {
  it('begins at no evidence and ends where it decides', () => {
    expect([1, 20, 1000, 0.2, 0].map((evidence) => weight(evidence, 20))).toEqual([0, 1, 1, 0, 0])
    expect(weight(Math.sqrt(20), 20)).toBeCloseTo(0.5)
  })
})
