import { describe, expect, it } from 'vitest'
import type { Item } from './api'
import { grouped, neighbour, wordsOf } from './queue'

const item = (id: string, group = id, change: Partial<Item> = {}): Item => ({
  id, group, state: 'pending', user: 'local', rating: null, tags: [], comment: null, question: `${id}?`, given: 'No.',
  answer: 'Yes.', suggestion: null, thumb: null, edited: false, disputed: false, personal: [], conversation_id: 'conv_1', created_ms: 0, ...change,
})
const items = [item('a'), item('b'), item('c', 'b'), item('d', 'b'), item('e')]

describe('grouped', () => {
  it('keeps the order and joins neighbours that are alike', () => {
    expect(grouped(items).map((group) => group.map(({ id }) => id).join(''))).toEqual(['a', 'bcd', 'e'])
    expect(grouped([])).toEqual([])
  })
})

describe('neighbour', () => {
  it('goes on, goes back, and stops at both ends', () => {
    expect(neighbour(items, 'b', 1)?.id).toBe('c')
    expect(neighbour(items, 'b', -1)?.id).toBe('a')
    expect(neighbour(items, 'e', 1)).toBeUndefined()
    expect(neighbour(items, 'a', -1)).toBeUndefined()
  })

  it('begins at the top when the item is not there any more', () => {
    expect(neighbour(items, 'gone', 1)?.id).toBe('a')
    expect(neighbour([], null, 1)).toBeUndefined()
  })
})

describe('wordsOf', () => {
  it("repeats a reviewer's words and leaves the author's alone", () => {
    expect(wordsOf(item('a'))).toEqual({})
    expect(wordsOf(item('a', 'a', { edited: true, answer: 'Mine.' }))).toEqual({ question: 'a?', answer: 'Mine.' })
    expect(wordsOf(item('a', 'a', { edited: true, answer: null }))).toEqual({ question: 'a?' })
  })
})
