import { describe, expect, it } from 'vitest'
import { releaseBefore, shortId } from './releases'

/** `A B -A`: A served, then B, then A again by a rollback. */
const before = (past: string) => {
  const history = past.split(' ').map((word) => ({
    model: 'm', release: word.replace('-', ''), reason: word.startsWith('-') ? 'rollback' : 'turn', turn: null, since_ms: 0,
  }))
  return releaseBefore({ history: history.toReversed(), model: 'm', release: history.at(-1)?.release ?? '' })
}

describe('releaseBefore', () => {
  it('goes back one by one', () => {
    expect(before('A B C')).toBe('B')
    expect(before('A B C -B')).toBe('A')
    expect(before('A B C -B -A')).toBeNull()
    expect(before('A B -A D')).toBe('A')
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
