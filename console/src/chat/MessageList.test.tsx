import { renderToStaticMarkup } from 'react-dom/server'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import type { Message } from '../api/types'
import { t } from '../i18n'
import { MessageList } from './MessageList'

const { thread } = vi.hoisted(() => ({ thread: { messages: [] as Message[], leaf: '', streaming: null, faults: {} as Record<string, string> } }))
// Rendered on no page, a store shows what it began with.
vi.mock('../state/threads', async (original) => ({ ...(await original<object>()), useThread: () => thread, getThread: () => thread }))

const message = (id: string, parent_id: string | null, change: Partial<Message> = {}): Message => ({
  id, parent_id, role: 'user', content: id, tool_calls: null, status: 'complete', finish_reason: null,
  model: null, usage: null, created_ms: 0, feedback: null, ...change,
})
const render = (...messages: Message[]) => {
  Object.assign(thread, { messages, leaf: messages.at(-1)?.id })
  return renderToStaticMarkup(<MessageList threadKey="conv" />)
}

beforeEach(() => {
  thread.faults = {}
})

describe('MessageList', () => {
  it('folds a system message, which nobody rates', () => {
    const html = render(message('u1', null), message('s1', 'u1', { role: 'system', content: 'Now in French.' }))
    expect(html).toMatch(new RegExp(`<details[^>]*><summary[^>]*>${t().chat.systemMessage}</summary><pre[^>]*>Now in French.</pre>`))
    expect(html).not.toContain('thumb-up')
  })

  it('says why an answer failed, in the words of the moment while they are known', () => {
    const failed = message('a1', 'u1', { role: 'assistant', status: 'failed', error: 'The disk is full.' })
    expect(render(message('u1', null), failed)).toContain(`${t().chat.status.failed} The disk is full.`)
    thread.faults = { a1: '磁盘已满。' }
    expect(render(message('u1', null), failed)).toContain(`${t().chat.status.failed} 磁盘已满。`)
  })
})
