import { describe, expect, it } from 'vitest'
import { rated } from './useFeedback'

describe('rated', () => {
  it('drops the reasons and the comment of another rating', () => {
    expect(rated({ rating: -1 }, 1)).toEqual({ rating: 1, tags: [], comment: null })
    expect(rated({ rating: 1 }, -1)).toEqual({ rating: -1, tags: [], comment: null })
    expect(rated({ rating: 1 }, null)).toEqual({ rating: null, tags: [], comment: null })
  })

  it('leaves a comment that belongs to no other rating', () => {
    expect(rated({ rating: null }, 1)).toEqual({ rating: 1, tags: [] })
    expect(rated({ rating: 1 }, 1)).toEqual({ rating: 1, tags: [] })
  })
})
