import { describe, expect, it } from 'vitest'
import { normaliseFormulas } from './formulas'

describe('normaliseFormulas', () => {
  it.each([
    ['a formula', '$x^2$ and $y$', '$x^2$ and $y$'],
    ['TeX inline brackets', 'so \\( a+b \\) holds', 'so $a+b$ holds'],
    ['TeX display brackets', '\\[ a = b \\]', '$$\na = b\n$$'],
    ['a display formula on one line', 'text\n$$ a = b $$\nmore', 'text\n$$\na = b\n$$\nmore'],
    ['a display formula in a list', '- so\n  $$a$$', '- so\n  $$\n  a\n  $$'],
    ['display brackets inside a sentence', 'so \\[a\\] holds', 'so $$a$$ holds'],
    ['money', 'It costs $5 and $10.', 'It costs \\$5 and \\$10.'],
    ['money in Chinese', '价格是$5，不是$10。', '价格是\\$5，不是\\$10。'],
    ['an escaped dollar', 'only \\$5', 'only \\$5'],
    ['a code span', '`$5 \\(x\\)` $5', '`$5 \\(x\\)` \\$5'],
    ['fenced code', '```sh\necho $HOME $5\n```\n$5', '```sh\necho $HOME $5\n```\n\\$5'],
    ['an open fence', '```sh\necho $HOME', '```sh\necho $HOME'],
    ['text without formulas', 'a [b](c) \\* d', 'a [b](c) \\* d'],
    ['a formula still being written', '$$\na = ', '$$\na = '],
  ])('%s', (_, from, to) => {
    expect(normaliseFormulas(from)).toBe(to)
  })

  it('keeps a display block as it is', () => {
    expect(normaliseFormulas('$$\na = b\n$$')).toBe('$$\na = b\n$$')
  })
})
