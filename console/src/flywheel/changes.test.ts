import { describe, expect, it } from 'vitest'
import { flywheel as en } from '../i18n/flywheel.en'
import { flywheel as zh } from '../i18n/flywheel.zh'
import { type Changed, sometimes } from './api'

const row = (right: number | null, asked: number): Changed => ({
  part: 'zh', id: 'q', question: '?', wanted: null, before: 'a', after: 'b', passed_before: false, passed_after: false, asked_before: asked, times_before: right,
})

describe('sometimes', () => {
  it('tells a release that was right now and then from one that always was, never, or was asked once', () => {
    expect([row(0, 5), row(2, 5), row(5, 5), row(1, 1), row(null, 1)].map(sometimes)).toEqual([false, true, false, false, false])
  })

  it('says how often it was right, also beside a wrong answer', () => {
    expect(en.turn.times(2, 5)).toBe('right 2 of 5 times')
    expect(zh.turn.times(2, 5)).toBe('5 次中对 2 次')
  })
})
