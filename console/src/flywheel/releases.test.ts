import { describe, expect, it } from 'vitest'
import { releaseBefore, shortId } from './releases'

const REASONS: Record<string, string> = { '-': 'rollback', '?': 'canary', '!': 'canary_passed', '~': 'canary_worse' }

/** `A B -A ?C ~A`: A served, then B, then A again by a rollback, beside a canary C that was worse. */
const before = (past: string, now?: string) => {
  const history = past.split(' ').map((word) => ({
    model: 'm', release: word.slice(-1), reason: REASONS[word.slice(0, -1)] ?? 'turn', turn: null, since_ms: 0,
  }))
  return releaseBefore({ history: history.toReversed(), model: 'm', release: now ?? history.at(-1)?.release ?? '' })
}

describe('releaseBefore', () => {
  it('goes back one by one', () => {
    expect(before('A B C')).toBe('B')
    expect(before('A B C -B')).toBe('A')
    expect(before('A B C -B -A')).toBeNull()
    expect(before('A B -A D')).toBe('A')
  })

  it('withdraws a canary first, and knows whether one took over', () => {
    expect(before('A ?B', 'A')).toBe('A')
    expect(before('A ?B ~A')).toBeNull()
    expect(before('A ?B !B')).toBe('A')
    expect(before('A B ?C ~B')).toBe('A')
  })

  it('knows none of a model that has served in one release only', () => {
    expect(before('A')).toBeNull()
    expect(releaseBefore({ history: [], model: 'm', release: 'A' })).toBeNull()
    expect(releaseBefore({ history: [{ model: 'other', release: 'B', reason: 'first', turn: null, since_ms: 0 }], model: 'm', release: 'A' })).toBeNull()
  })
})

describe('shortId', () => {
  it('drops the kind', () => expect(shortId('release:0123456789abcdef')).toBe('01234567'))
})
