import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { CompletionRequest } from '../api/completions'
import type { Message, Model } from '../api/types'
import { answerAgain } from './answer'
import { useServer } from './server'
import { changeSettings, updateThread } from './threads'

const message = (id: string, parent_id: string | null, change: Partial<Message>): Message => ({
  id, parent_id, role: 'user', content: id, tool_calls: null, status: 'complete', finish_reason: null,
  model: null, usage: null, created_ms: 0, feedback: null, ...change,
})
const model = (id: string): Model => ({
  id, feilun: { default: false, kind: 'gguf', source: '', context_length: null, state: 'ready', error: null, license: null },
})

const requests: Record<string, unknown>[] = []

/** Asks the conversation for another answer, and gives what the server was sent. */
function sent(): Pick<CompletionRequest, 'messages'> & { model: string } {
  requests.length = 0
  answerAgain('conv', 'u1')
  expect(requests).toHaveLength(1)
  return requests[0] as ReturnType<typeof sent>
}

beforeEach(() => {
  vi.useFakeTimers()
  vi.stubGlobal('location', { hash: '#/c/conv' })
  // It never answers: what it was asked is enough.
  vi.stubGlobal('fetch', (path: string, { body }: { body?: string } = {}) => {
    if (path === '/v1/chat/completions') requests.push(JSON.parse(body ?? '') as Record<string, unknown>)
    return new Promise(() => {})
  })
  useServer.setState({ models: [model('default'), model('other')] })
  const answer = message('a1', 'u1', { role: 'assistant', model: 'other', params: { system: 'Be brief.' } })
  updateThread('conv', { load: 'loaded', settings: {}, messages: [message('u1', null, {}), answer], leaf: 'a1', streaming: null })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('a conversation that was begun elsewhere', () => {
  it('goes on with its model and its system prompt', () => {
    const { model: asked, messages } = sent()
    expect(asked).toBe('other')
    expect(messages).toEqual([{ role: 'system', content: 'Be brief.' }, { role: 'user', content: 'u1' }])
  })

  it('goes on with the default when its model is no longer there', () => {
    useServer.setState({ models: [model('default')] })
    expect(sent().model).toBe('default')
  })

  it('loses its system prompt when that is emptied here, and keeps its model', () => {
    changeSettings('conv', { system: '' })
    const { model: asked, messages } = sent()
    expect(asked).toBe('other')
    expect(messages).toEqual([{ role: 'user', content: 'u1' }])
  })
})
