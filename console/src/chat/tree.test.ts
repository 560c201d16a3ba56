import { describe, expect, it } from 'vitest'
import type { Message } from '../api/types'
import { comparable, leafToShow, newestLeaf, pathTo, placesOf } from './tree'

const message = (id: string, parent_id: string | null, role: Message['role'] = 'user'): Message => ({
  id, parent_id, role, content: id, tool_calls: null, status: 'complete', finish_reason: null,
  model: null, usage: null, created_ms: 0, feedback: null,
})

//  u1 ─ a1 ─ u2 ─ a2
//   │         └─── a2b        (regenerated)
//   └─ a1b                    (regenerated)
//  u1x ─ a1x                  (edited first message)
const tree = [
  message('u1', null), message('a1', 'u1'), message('u2', 'a1'), message('a2', 'u2'),
  message('a1b', 'u1'), message('u1x', null), message('a1x', 'u1x'), message('a2b', 'u2'),
]
const ids = (path: Message[]) => path.map((m) => m.id)

describe('pathTo', () => {
  it('walks from the root to the leaf', () => {
    expect(ids(pathTo(tree, 'a2b'))).toEqual(['u1', 'a1', 'u2', 'a2b'])
    expect(ids(pathTo(tree, 'a1x'))).toEqual(['u1x', 'a1x'])
  })

  it('is empty without a leaf', () => {
    expect(pathTo(tree, null)).toEqual([])
    expect(pathTo(tree, 'unknown')).toEqual([])
  })

  it('ends on a circle of parents', () => {
    expect(pathTo([message('a', 'b'), message('b', 'a')], 'a')).toHaveLength(2)
  })
})

describe('comparable', () => {
  it('leaves out what is not there, not finished or empty', () => {
    const writing: Message = { ...message('w', 'u1', 'assistant'), status: 'generating' }
    const empty: Message = { ...message('e', 'u1', 'assistant'), content: ' ' }
    expect(ids(comparable([...tree, writing, empty], ['a1', 'w', 'e', 'gone', 'a1b']))).toEqual(['a1', 'a1b'])
  })
})

describe('newestLeaf', () => {
  it('follows the newest child', () => {
    expect(newestLeaf(tree, 'a1')).toBe('a2b')
    expect(newestLeaf(tree, 'u1')).toBe('a1b')
    expect(newestLeaf(tree, 'a2')).toBe('a2')
  })
})

describe('leafToShow', () => {
  it('keeps the wished branch, else takes the newest message', () => {
    expect(leafToShow(tree, 'a2')).toBe('a2')
    expect(leafToShow(tree, 'gone')).toBe('a2b')
    expect(leafToShow([], null)).toBeNull()
  })
})

describe('placesOf', () => {
  it('counts siblings at every level, roots included', () => {
    const places = placesOf(tree, pathTo(tree, 'a2b'))
    expect(places.map((place) => [place.message.id, place.index + 1, place.siblings.length])).toEqual([
      ['u1', 1, 2], ['a1', 1, 2], ['u2', 1, 1], ['a2b', 2, 2],
    ])
    expect(places[0]?.siblings).toEqual(['u1', 'u1x'])
  })
})
