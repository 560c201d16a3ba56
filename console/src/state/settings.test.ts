import { describe, expect, it } from 'vitest'
import type { Message, Settings } from '../api/types'
import { inForce } from './settings'

const question = (id: string, parent_id: string | null): Message => ({
  id, parent_id, role: 'user', content: id, tool_calls: null, status: 'complete', finish_reason: null,
  model: null, usage: null, created_ms: 0, feedback: null,
})
const answer = (id: string, parent_id: string, model: string | null, system?: string): Message => ({
  ...question(id, parent_id), role: 'assistant', model, params: system === undefined ? {} : { system },
})

//  u1 ─ a1 ─ u2 ─ a2
//         └─ u2x ─ a2x
const messages = [
  question('u1', null), answer('a1', 'u1', 'small', 'Be brief.'), question('u2', 'a1'), answer('a2', 'u2', 'large', 'Be kind.'),
  question('u2x', 'a1'), answer('a2x', 'u2x', 'small'),
]
const asked = (leaf: string | null, settings: Settings = {}, others: Message[] = []) => inForce({ settings, leaf, messages: [...messages, ...others] })

describe('inForce', () => {
  it('goes on as the last answer in view was asked', () => {
    expect(asked('a2')).toEqual({ model: 'large', system: 'Be kind.' })
    expect(asked('a2x', { temperature: 0 })).toEqual({ model: 'small', temperature: 0 })
    expect(asked(null)).toEqual({})
  })

  it('passes over what says nothing: an answer that is only beginning, or that a program brought along', () => {
    expect(asked('a3', {}, [question('u3', 'a2'), answer('a3', 'u3', null)])).toEqual({ model: 'large', system: 'Be kind.' })
  })

  it('prefers what was chosen here, even no system prompt', () => {
    expect(asked('a2', { model: 'small', system: 'Rhyme.' })).toEqual({ model: 'small', system: 'Rhyme.' })
    expect(asked('a2', { system: '' })).toEqual({ model: 'large', system: '' })
  })
})
