import { afterEach, describe, expect, it, vi } from 'vitest'
import { currentKey, currentTurn, FLYWHEEL, hrefOf, NEW } from './route'

const at = (hash: string) => vi.stubGlobal('location', { hash })

afterEach(() => vi.unstubAllGlobals())

describe('currentKey', () => {
  it.each(['conv_1', 'a/b', '100%', '飞轮', NEW])('reads the address of %s', (key) => {
    at(hrefOf(key))
    expect(currentKey()).toBe(key)
  })

  it.each(['#/c/%', '#/c/%E9', '#/c/100%25%', '#/c/', ''])('takes %s for a new chat', (hash) => {
    at(hash)
    expect(currentKey()).toBe(NEW)
  })
})

describe('currentTurn', () => {
  it('is none at a malformed address', () => {
    at('#/flywheel/%')
    expect(currentKey()).toBe(FLYWHEEL)
    expect(currentTurn()).toBeNull()
  })
})
