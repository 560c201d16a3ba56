import { patchConversation } from '../api/console'
import { streamCompletion, type CompletionEvent, type WireMessage } from '../api/completions'
import { ApiError } from '../api/http'
import type { Message } from '../api/types'
import { pathTo } from '../chat/tree'
import { t } from '../i18n'
import { refreshList } from './conversations'
import { confirmDraft, getDraft, hideDraft, moveDraft, restoreDraft } from './drafts'
import { dropLiveText, setLiveText } from './live'
import { speak } from './notices'
import { currentKey, navigate, NEW } from './route'
import { modelFor, reasonOf, useServer } from './server'
import { dropThread, getThread, isLocal, loadThread, localKey, patchMessage, renameThread, settingsOf, updateThread, useThreads } from './threads'

/** Long answers repaint at this pace, not with every token. */
const PAINT_MS = 80

const running = new Map<string, AbortController>()

export const stop = (key: string): void => running.get(key)?.abort()

/** Sends the draft of a chat at the end of the branch in view. */
export function send(key: string): void {
  const text = getDraft(key)
  if (!text.trim()) return
  hideDraft(key)
  const { messages, leaf } = getThread(key)
  void ask({ key, path: pathTo(messages, leaf), text, draft: key })
}

/** Sends a suggestion of the first-run page; a draft there stays what it is. */
export const sendText = (key: string, text: string): void => void ask({ key, path: [], text, draft: null })

/** Sends another text in the place of a message of the user: a new branch. */
export function sendEdited(key: string, message: Message, text: string, draft: string): void {
  hideDraft(draft)
  void ask({ key, path: pathTo(getThread(key).messages, message.parent_id), text, draft })
}

/** Asks for another answer to the user's message `userId`. */
export function answerAgain(key: string, userId: string): void {
  void ask({ key, path: pathTo(getThread(key).messages, userId), text: null, draft: null })
}

interface Ask {
  key: string
  /** The stored messages that go before. */
  path: Message[]
  /** A new message of the user, or null to answer the path as it is. */
  text: string | null
  /** Where the text came from and goes back to if it cannot be sent. */
  draft: string | null
}

async function ask({ key, path, text, draft }: Ask): Promise<void> {
  if (getThread(key).streaming) return
  const settings = settingsOf(key)
  const home = key
  const leafBefore = getThread(key).leaf
  if (key === NEW) {
    key = localKey()
    updateThread(NEW, { notSent: null })
    updateThread(key, { load: 'loaded', settings })
    if (currentKey() === NEW) navigate(key, { replace: true })
  }

  const stub = { tool_calls: null, status: 'complete', finish_reason: null, model: null, usage: null, created_ms: Date.now(), feedback: null } as const
  const parent = path.at(-1)?.id ?? null
  let userId = text === null ? parent : 'local-question'
  let answerId = 'local-answer'
  const added: Message[] = [{ ...stub, id: answerId, parent_id: userId, role: 'assistant', content: '', status: 'generating' }]
  if (text !== null) added.unshift({ ...stub, id: 'local-question', parent_id: parent, role: 'user', content: text })
  updateThread(key, ({ messages }) => ({ messages: [...messages, ...added], leaf: answerId, streaming: answerId, notSent: null }))

  const control = new AbortController()
  running.set(key, control)
  let begun = false
  let answer = ''
  let finish: string | null = null
  let timer: ReturnType<typeof setTimeout> | undefined
  const paint = () => {
    timer = undefined
    setLiveText(answerId, answer)
  }

  /** The first event: the server has stored the question, and names it and the answer. */
  const begin = (event: CompletionEvent) => {
    begun = true
    if (draft) confirmDraft(draft)
    const storedUser = event.parentId ?? userId
    updateThread(key, (thread) => ({
      messages: thread.messages.map((message) => {
        if (message.id === 'local-question') return { ...message, id: storedUser ?? message.id }
        return message.id === 'local-answer' ? { ...message, id: event.messageId, parent_id: storedUser } : message
      }),
      leaf: thread.leaf === answerId ? event.messageId : thread.leaf,
      streaming: event.messageId,
    }))
    userId = storedUser
    answerId = event.messageId
    if (isLocal(key)) key = adopt(key, event.conversationId)
    speak(t().chat.started)
    void refreshList()
  }

  let fault: unknown = null
  try {
    const { models, status } = useServer.getState()
    const model = modelFor(settings, models)?.id ?? settings.model ?? status?.default_model
    const events = streamCompletion({
      messages: [...path.map(wire), ...(text === null ? [] : [{ role: 'user' as const, content: text }])],
      settings: { ...settings, model },
      conversationId: isLocal(key) ? undefined : key,
      parentId: parent ?? undefined,
    }, control.signal)
    for await (const event of events) {
      if (!begun) begin(event)
      answer += event.text
      finish = event.finishReason ?? finish
      if (event.text) timer ??= setTimeout(paint, PAINT_MS)
    }
  } catch (error) {
    fault = error
  }
  clearTimeout(timer)
  running.delete(key)

  const stopped = control.signal.aborted
  if (!begun) return takeBack({ key, home, text, draft, parent, leafBefore, reason: stopped ? null : faultText(fault) })

  const status = finish ? 'complete' : stopped ? 'stopped' : fault instanceof ApiError && fault.status !== 0 ? 'failed' : 'interrupted'
  patchMessage(key, answerId, { content: answer, status, finish_reason: finish })
  dropLiveText(answerId)
  updateThread(key, ({ faults }) => ({
    streaming: null,
    unseen: currentKey() !== key,
    faults: status === 'failed' ? { ...faults, [answerId]: faultText(fault) } : faults,
  }))
  speak({ complete: t().chat.finished, stopped: t().chat.stoppedLive, failed: t().chat.failedLive, interrupted: t().chat.failedLive }[status])
  await Promise.all([loadThread(key), refreshList()])
}

const faultText = (fault: unknown): string => (fault ? reasonOf(fault, t().errors.unreachable) : t().composer.notSent)

const wire = ({ role, content, tool_calls, tool_call_id }: Message): WireMessage => ({
  role, content, ...(tool_calls?.length && { tool_calls }), ...(tool_call_id && { tool_call_id }),
})

/** A local chat becomes the conversation that the server made of it. */
function adopt(local: string, id: string): string {
  const wasOpen = currentKey() === local
  renameThread(local, id)
  moveDraft(local, id)
  const control = running.get(local)
  running.delete(local)
  if (control) running.set(id, control)
  if (wasOpen) navigate(id, { replace: true })
  const { settings } = getThread(id)
  if (Object.keys(settings).length) patchConversation(id, { settings }).catch(() => {})
  return id
}

interface TakeBack extends Pick<Ask, 'key' | 'text' | 'draft'> {
  /** The chat the text was typed in, which is the new chat when `key` is local. */
  home: string
  parent: string | null
  leafBefore: string | null
  /** Why it failed; null when the user stopped it. */
  reason: string | null
}

/** Nothing came back: unless the server has the message all the same, the text returns to where it was typed. */
async function takeBack({ key, home, text, draft, parent, leafBefore, reason }: TakeBack): Promise<void> {
  const known = new Set(getThread(key).messages.map((message) => message.id))
  updateThread(key, ({ messages }) => ({
    messages: messages.filter((message) => !message.id.startsWith('local-')),
    leaf: leafBefore,
    streaming: null,
  }))
  if (isLocal(key)) {
    if (currentKey() === key) navigate(NEW, { replace: true })
    dropThread(key)
  } else {
    await loadThread(key)
  }
  const stored = useThreads.getState()[key]?.messages.find(
    (message) => text !== null && !known.has(message.id) && message.parent_id === parent && message.content === text,
  )
  if (stored) {
    if (draft) confirmDraft(draft)
    const { messages } = getThread(key)
    const leaf = messages.findLast((message) => message.parent_id === stored.id)?.id ?? stored.id
    updateThread(key, ({ faults }) => ({ leaf, faults: reason ? { ...faults, [leaf]: reason } : faults }))
  } else {
    if (draft && text !== null) restoreDraft(draft, text)
    if (reason) updateThread(home, { notSent: reason })
  }
  void refreshList()
}
