import { describe, expect, it } from 'vitest'
import { actionFor } from './keys'

const press = (key: string, change: Partial<Parameters<typeof actionFor>[0]> = {}) =>
  actionFor({ key, ctrlKey: false, metaKey: false, altKey: false, tagName: 'BUTTON', isComposing: false, repeat: false, ...change })

describe('actionFor', () => {
  it('knows its five letters in both cases', () => {
    expect(['a', 'e', 'r', 'j', 'k', 'A'].map((key) => press(key))).toEqual(['accept', 'edit', 'reject', 'next', 'previous', 'accept'])
    expect(['b', 'Enter', 'Tab', ' '].map((key) => press(key))).toEqual([null, null, null, null])
  })

  it("leaves the browser's keys, what is typed, and input methods alone", () => {
    expect(press('r', { ctrlKey: true })).toBeNull()
    expect(press('a', { metaKey: true })).toBeNull()
    expect(press('e', { altKey: true })).toBeNull()
    expect(press('a', { tagName: 'TEXTAREA' })).toBeNull()
    expect(press('a', { isComposing: true })).toBeNull()
  })

  it('decides once, however long a key is held', () => {
    expect(press('a', { repeat: true })).toBeNull()
    expect(press('j', { repeat: true })).toBe('next')
  })
})
