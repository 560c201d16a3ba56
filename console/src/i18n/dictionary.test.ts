import { describe, expect, it } from 'vitest'
import { en } from './en'
import { zh } from './zh'

function leaves(value: unknown, path = ''): Map<string, unknown> {
  if (typeof value !== 'object' || value === null) return new Map([[path, value]])
  return new Map(Object.entries(value).flatMap(([key, inner]) => [...leaves(inner, path ? `${path}.${key}` : key)]))
}

describe('dictionaries', () => {
  const english = leaves(en)
  const chinese = leaves(zh)

  it('have the same keys', () => {
    expect([...chinese.keys()]).toEqual([...english.keys()])
  })

  it('say something everywhere', () => {
    for (const [key, value] of [...english, ...chinese]) {
      if (typeof value === 'function') expect(value('x', 2), key).toMatch(/\S/)
      else expect(value, key).toMatch(/\S/)
    }
  })

  it('leave no Chinese text untranslated', () => {
    // Names that are the same in both languages.
    const shared = new Set(['export.markdown', 'export.jsonl', 'settings.topP'])
    for (const [key, value] of chinese) {
      if (typeof value === 'string' && !shared.has(key)) expect(value, key).not.toBe(english.get(key))
    }
  })
})
