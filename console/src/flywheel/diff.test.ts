import { describe, expect, it } from 'vitest'
import { diff, type Piece } from './diff'

const show = (pieces: Piece[]) => pieces.map(({ text, changed }) => (changed ? `[${text}]` : text)).join('')
const shown = (before: string, after: string) => diff(before, after).map(show)

describe('diff', () => {
  it('marks words', () => {
    expect(shown('Ada founded it in 1998.', 'Ada founded it in 2031, alone.')).toEqual([
      'Ada founded it in [1998].', 'Ada founded it in [2031, alone].',
    ])
  })

  it('marks Han characters one by one', () => {
    expect(shown('青岚成立于北京。', '青岚成立于南京。')).toEqual(['青岚成立于[北]京。', '青岚成立于[南]京。'])
  })

  it('leaves equal texts, and texts with nothing in common, unmarked', () => {
    expect(shown('The same.', 'The same.')).toEqual(['The same.', 'The same.'])
    expect(shown('Completely different', '两句话毫不相干')).toEqual(['Completely different', '两句话毫不相干'])
    expect(shown('', 'New.')).toEqual(['', 'New.'])
  })

  it('loses nothing, whatever it marks', () => {
    const texts = ['a b c d e f', 'a x c y e f g', '混合 mixed 文本 text', '混合 text 文本', '  spaces\n\nand lines ', '👩‍🚀 ok']
    for (const before of texts)
      for (const after of texts)
        expect(diff(before, after).map((pieces) => pieces.map(({ text }) => text).join(''))).toEqual([before, after])
  })

  it('does not begin on very long texts', () => {
    const long = 'word '.repeat(5000)
    expect(diff(long, `${long}!`)[1]).toEqual([{ text: `${long}!`, changed: false }])
  })
})
