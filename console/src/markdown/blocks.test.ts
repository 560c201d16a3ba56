import { describe, expect, it } from 'vitest'
import { splitBlocks } from './blocks'

const cases: [string, string, number][] = [
  ['paragraphs', 'one\n\ntwo\n\n\nthree', 3],
  ['soft line breaks', 'one\ntwo\nthree', 1],
  ['a fence with blank lines', '```py\na\n\nb\n```\n\nafter', 2],
  ['an open fence', 'before\n\n```\na\n\nb', 2],
  ['a fence inside a longer fence', '````md\n```\n\nx\n\n```\n\ny\n````\n\nafter', 2],
  ['a tilde fence holding backticks', '~~~\n```\n\nx\n~~~\n\nafter', 2],
  ['a fence inside a list item', '- ```\n  a\n\nb\n  ```\n\nafter', 2],
  ['inline code that looks like a fence', '```not``` a fence\n\nafter', 2],
  ['a loose list', '1. one\n\n2. two\n\n   more\n\n3. three\n\nafter', 2],
  ['a list after a paragraph', 'text\n\n- a\n- b', 2],
  ['a formula with blank lines', '$$\na\n\nb\n$$\n\nafter', 2],
  ['a one-line formula', '$$ a $$\n\nafter', 2],
  ['a bracket formula', '\\[\na\n\nb\n\\]\n\nafter', 2],
  ['a table', '| a |\n|---|\n| b |\n\nafter', 2],
  ['link definitions', '[x][1]\n\n[1]: https://example.org', 1],
  ['footnotes', 'a[^1]\n\n[^1]: note', 1],
  ['Windows line ends', 'one\r\n\r\n```\r\na\r\n\r\nb\r\n```\r\n\r\ntwo', 3],
]

describe('splitBlocks', () => {
  it.each(cases)('%s', (_, text, count) => {
    const blocks = splitBlocks(text)
    expect(blocks).toHaveLength(count)
    expect(blocks.join('')).toBe(text)
  })

  it('gives no block for no text', () => {
    expect(splitBlocks('')).toEqual([])
  })

  it('never changes a finished block while the text grows', () => {
    const text = 'one\n\n- a\n\n- b\n\n```js\nx\n\ny\n```\n\n$$\nz\n\n$$\n\nlast **words**'
    let before: string[] = []
    for (let length = 1; length <= text.length; length++) {
      const blocks = splitBlocks(text.slice(0, length))
      // All but the last two: the second last may still take a list item or its trailing blank line.
      const settled = before.slice(0, -2)
      expect(blocks.slice(0, settled.length)).toEqual(settled)
      before = blocks
    }
  })
})
