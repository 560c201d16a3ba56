import { describe, expect, it } from 'vitest'
import { en } from '../i18n/en'
import { zh } from '../i18n/zh'
import { lineageHref } from '../state/route'
import type { Facts, Node } from './api'
import { askedOf, chatOf, factsOf, idOf, kindOf, openedAtFirst, PAGE } from './tree'

const node = (kind: string, children: Node[] = [], facts: Facts = {}, id = kind): Node => ({
  kind, id, name: '', created: null, facts, more: false, children,
})
const many = (n: number, kind: string): Node[] => Array.from({ length: n }, () => node(kind))

describe('askedOf', () => {
  it.each(['msg_1', 'sha256:ab#fb_1', 'source:/data/一?direction=down', 'datasets/turn-1', '100%'])('reads back what lineageHref writes: %s', (id) => {
    for (const direction of ['up', 'down'] as const) expect(askedOf(lineageHref(id, direction))).toEqual({ id, direction })
  })

  it('asks for nothing where nothing is named', () => {
    expect(askedOf('#/lineage')).toEqual({ id: '', direction: 'up' })
    expect(askedOf('#/lineage/')).toEqual({ id: '', direction: 'up' })
  })
})

describe('openedAtFirst', () => {
  it('opens all of a small tree', () => {
    const leaf = node('user')
    const conversation = node('conversation', [leaf])
    const root = node('answer', [node('release'), conversation])
    expect(openedAtFirst(root)).toEqual(new Set([root, conversation]))
  })

  it('opens the nearest nodes first, and passes over one whose children do not fit', () => {
    const deep = node('dataset', many(3, 'sample'))
    const wide = node('dataset', many(7, 'sample'))
    const narrow = node('adapter', [deep])
    const root = node('release', [wide, narrow])
    expect(openedAtFirst(root, 6)).toEqual(new Set([root, narrow, deep]))
  })

  it('counts of many children those that are shown, and opens the root whatever it has', () => {
    const wide = node('dataset', many(1000, 'sample'))
    const root = node('adapter', [wide])
    expect(openedAtFirst(root, PAGE + 1).has(wide)).toBe(true)
    expect(openedAtFirst(root, PAGE).has(wide)).toBe(false)
    expect(openedAtFirst(wide, 1)).toEqual(new Set([wide]))
  })
})

describe('what is told of a node', () => {
  it('is in both languages', () => {
    const sample = node('sample', [], { rows: 3, rules: ['asked', 'polite'] })
    expect(factsOf(sample, en)).toEqual(['3 rows (asked, polite)'])
    expect(factsOf(sample, zh)).toEqual(['3 行（asked, polite）'])
    expect(kindOf(sample, zh.lineage)).toBe('样本')
  })

  it('says who gave an opinion, and which', () => {
    expect(factsOf(node('feedback', [], { rating: -1, user: 'alice' }), en)).toEqual([en.feedback.bad, 'alice'])
    expect(factsOf(node('feedback', [], { rating: null, user: 'local' }), zh)).toEqual([zh.flywheel.you])
  })

  it('takes figures of a manifest for nothing else', () => {
    expect(factsOf(node('dataset', [], { rows: 3, users: 2, count: 1, set: 'x' }), en)).toEqual([])
  })

  it('calls what a user wrote no answer, and an unknown kind by its own name', () => {
    expect(kindOf(node('answer', [], { role: 'user' }), en.lineage)).toBe('message')
    expect(kindOf(node('answer', [], { role: 'assistant' }), en.lineage)).toBe('answer')
    expect(kindOf(node('tokenizer'), en.lineage)).toBe('tokenizer')
  })

  it('cuts hashes, and no other id', () => {
    expect(idOf(node('release', [], {}, 'release:0123456789abcdef'))).toBe('01234567')
    expect(idOf(node('answer', [], {}, 'msg_0123456789abcdef'))).toBe('msg_0123456789abcdef')
    expect(idOf(node('user', [], {}, 'user:alice'))).toBe('')
  })
})

describe('chatOf', () => {
  const mine = node('conversation', [], { user: 'local' }, 'conv_1')
  const hers = node('conversation', [], { user: 'alice' }, 'conv_2')

  it('is the conversation of an answer, and of no one else', () => {
    expect(chatOf(node('answer', [node('release'), mine]))).toBe('#/c/conv_1')
    expect(chatOf(mine)).toBe('#/c/conv_1')
    expect(chatOf(node('answer', [hers]))).toBeNull()
    expect(chatOf(hers)).toBeNull()
    expect(chatOf(node('feedback', [mine]))).toBeNull()
  })
})
