import { create } from 'zustand'
import { getConversation, patchConversation } from '../api/console'
import { ApiError } from '../api/http'
import type { Conversation, Message, Settings } from '../api/types'
import { leafToShow, newestLeaf } from '../chat/tree'
import { t } from '../i18n'
import { toast } from './notices'
import { usePrefs } from './prefs'
import { currentKey, navigate, NEW } from './route'
import { inForce, withoutUnset } from './settings'

/** A conversation as the console holds it. Its key is the conversation's id, or a local one until that is known. */
export interface Thread {
  load: 'loading' | 'loaded' | 'missing' | 'failed'
  title: string
  settings: Settings
  messages: Message[]
  leaf: string | null
  /** The message being written by a stream of this page. */
  streaming: string | null
  /** Why the last message could not be sent. */
  notSent: string | null
  /** Why an answer failed, in the language in use then; the server keeps it in English only. */
  faults: Record<string, string>
  /** An answer ended while another chat was in view. */
  unseen: boolean
}

const EMPTY: Thread = {
  load: 'loading', title: '', settings: {}, messages: [], leaf: null,
  streaming: null, notSent: null, faults: {}, unseen: false,
}

/** A chat that has no conversation yet is whole as it is: there is nothing to load. */
const BLANK: Thread = { ...EMPTY, load: 'loaded' }

export const useThreads = create<Record<string, Thread>>()(() => ({ [NEW]: BLANK }))

export const getThread = (key: string): Thread => useThreads.getState()[key] ?? EMPTY
export const useThread = (key: string): Thread => useThreads((threads) => threads[key]) ?? EMPTY

export function updateThread(key: string, change: Partial<Thread> | ((thread: Thread) => Partial<Thread>)): void {
  useThreads.setState((threads) => {
    const thread = threads[key] ?? EMPTY
    return { [key]: { ...thread, ...(typeof change === 'function' ? change(thread) : change) } }
  })
}

export function patchMessage(key: string, id: string, patch: Partial<Message>): void {
  updateThread(key, ({ messages }) => ({
    messages: messages.map((message) => (message.id === id ? { ...message, ...patch } : message)),
  }))
}

/** Gives a thread its final key; the local one is forgotten. */
export function renameThread(from: string, to: string): void {
  useThreads.setState((threads) => {
    const { [from]: thread, ...others } = threads
    return thread ? { ...others, [to]: thread } : threads
  }, true)
}

export function dropThread(key: string): void {
  useThreads.setState(({ [key]: _, ...others }) => others, true)
}

let lastLocal = 0
/** A key for a chat whose conversation the server has not named yet. */
export const localKey = (): string => `local-${++lastLocal}`
export const isLocal = (key: string): boolean => key === NEW || key.startsWith('local-')

/** What a chat is asked with. */
export const settingsOf = (key: string): Settings =>
  key === NEW ? usePrefs.getState().defaults : inForce(getThread(key))

export function useSettings(key: string): Settings {
  const defaults = usePrefs((prefs) => prefs.defaults)
  const thread = useThread(key)
  return key === NEW ? defaults : inForce(thread)
}

/** Loads or refreshes a conversation. Unchanged messages keep their identity, so that nothing repaints for nothing. */
export async function loadThread(key: string): Promise<void> {
  if (key === NEW || getThread(key).streaming) return
  if (isLocal(key)) {
    // A reload came before the conversation had a name; its text is still in the new chat's draft.
    if (!useThreads.getState()[key]) navigate(NEW, { replace: true })
    return
  }
  if (!useThreads.getState()[key]) updateThread(key, EMPTY)
  try {
    const conversation = await getConversation(key)
    if (!getThread(key).streaming) updateThread(key, (thread) => merge(thread, conversation))
  } catch (error) {
    const missing = error instanceof ApiError && error.status === 404
    if (missing) updateThread(key, { load: 'missing' })
    else updateThread(key, ({ load }) => ({ load: load === 'loaded' ? load : 'failed' }))
  }
  followElsewhere(key)
}

function merge(thread: Thread, fresh: Conversation): Partial<Thread> {
  const known = new Map(thread.messages.map((message) => [message.id, message]))
  const messages = fresh.messages.map((message) => {
    const old = known.get(message.id)
    if (!old) return message
    // Our stop may be known here before the server has noticed it.
    const status = message.status === 'generating' && old.status === 'stopped' ? 'stopped' : message.status
    const next = status === 'stopped' && old.status === 'stopped' && (message.content ?? '').length < (old.content ?? '').length
      ? { ...message, status, content: old.content }
      : { ...message, status }
    return JSON.stringify(next) === JSON.stringify(old) ? old : next
  })
  return {
    load: 'loaded',
    title: fresh.title,
    settings: fresh.settings,
    messages,
    leaf: leafToShow(messages, thread.leaf ?? fresh.leaf_id),
  }
}

const FOLLOW_MS = 1500

/** An answer that another page (or the terminal) is receiving shows its progress here too. */
function followElsewhere(key: string): void {
  const thread = getThread(key)
  if (thread.streaming || !thread.messages.some((message) => message.status === 'generating')) return
  setTimeout(() => {
    if (currentKey() === key) void loadThread(key)
  }, FOLLOW_MS)
}

/** Shows the newest path through a message, and remembers the choice. */
export function showBranch(key: string, messageId: string): void {
  const leaf = newestLeaf(getThread(key).messages, messageId)
  updateThread(key, { leaf })
  // Losing this on a fault costs nothing but the place one was at.
  if (!getThread(key).streaming) patchConversation(key, { leaf_id: leaf }).catch(() => {})
}

const SAVE_MS = 400
const saving = new Map<string, ReturnType<typeof setTimeout>>()

/** Changes a conversation's settings, or, in a new chat, those that new chats start with. */
export function changeSettings(key: string, change: Settings): void {
  if (key === NEW) {
    const { defaults, set } = usePrefs.getState()
    set({ defaults: withoutUnset({ ...defaults, ...change }) })
    return
  }
  // Only what was chosen here becomes the conversation's own; the rest goes on following its answers.
  const own = { ...getThread(key).settings, ...change }
  // An emptied prompt stays as such, or that of the last answer would come back.
  updateThread(key, { settings: { ...withoutUnset(own), ...(own.system === '' && { system: '' }) } })
  clearTimeout(saving.get(key))
  saving.set(key, setTimeout(() => void saveSettings(key), SAVE_MS))
}

export async function saveSettings(key: string): Promise<void> {
  // A chat without an id yet saves them as soon as it has one.
  if (isLocal(key)) return
  try {
    await patchConversation(key, { settings: getThread(key).settings })
  } catch {
    toast(t().settings.failed, { tone: 'error' })
  }
}
