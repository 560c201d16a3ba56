import { describe, expect, it } from 'vitest'
import { commandOf, FIRST, hashOf, questionOf, searchOf, wordsOf, type Question } from './question'

const asked = (change: Partial<Question>, fields: Question['fields'] = {}): Question => ({ ...FIRST, ...change, fields: { ...FIRST.fields, ...fields } })

describe('a question', () => {
  it('is a command', () => {
    expect(commandOf(FIRST)).toBe("feilun plan train --params 175B --tokens 300B --device 'A100 SXM 80GB' --count 1024")
    expect(commandOf(asked({ tab: 'serve' }, { speculative: 'true', per_day: '5' }))).toBe(
      "feilun plan serve --model qwen3-8b --users 200 --context 8k --device 'A100 SXM 80GB' --speculative --per-day 5",
    )
    expect(commandOf(asked({ tab: 'compare', devices: ['H100', 'T4 16GB'] }))).toBe("feilun plan compare --params 175B --tokens 300B --count 1024 --device H100 --device 'T4 16GB'")
  })

  it('asks only what is given', () => {
    expect(commandOf(asked({ goal: 'budget' }))).toBe("feilun plan train --budget 50000USD --device 'A100 SXM 80GB'")
    expect(commandOf(asked({ goal: 'deadline' }, { device: '' }))).toBe('feilun plan train --params 175B --tokens 300B --deadline 30d')
  })

  it('does nothing to a shell', () => {
    expect(commandOf(asked({}, { device: "x'; rm -rf ~ #" }))).toContain(String.raw`--device 'x'\''; rm -rf ~ #'`)
  })

  it('survives its address', () => {
    const questions = [FIRST, asked({ goal: 'budget' }), asked({ goal: 'deadline' }, { device: '' }), asked({ tab: 'serve' }, { model: '', params: '7B' }), asked({ tab: 'compare', devices: ['H20 96GB', 'T4 16GB'] })]
    for (const question of questions) {
      const again = questionOf(hashOf(question), FIRST)
      expect(wordsOf(again)).toEqual(wordsOf(question))
      expect([again.tab, again.tab === 'train' ? again.goal : null]).toEqual([question.tab, question.tab === 'train' ? question.goal : null])
    }
  })

  it('of an address without one stays as it was', () => {
    expect(questionOf('#/plan', FIRST)).toEqual(FIRST)
    expect(questionOf('#/plan/serve', FIRST)).toEqual({ ...FIRST, tab: 'serve' })
    expect(questionOf('#/plan/other?params=1B', FIRST).fields.params).toBe('1B')
  })

  it('takes no names from an address that it does not know, and no novels', () => {
    const question = questionOf(`#/plan/train?params=${'9'.repeat(5000)}&cheat=1`, FIRST)
    expect(question.fields.params).toHaveLength(100)
    expect(searchOf(wordsOf(question))).not.toContain('cheat')
  })
})
