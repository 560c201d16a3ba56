import { create } from 'zustand'
import { deleteConversation, listConversations, patchConversation, restoreConversation } from '../api/console'
import type { ConversationRow } from '../api/types'
import { t } from '../i18n'
import { toast } from './notices'
import { currentKey, navigate, NEW } from './route'
import { dropThread, updateThread, useThreads } from './threads'

interface List {
  rows: ConversationRow[]
  next: string | null
  query: string
  load: 'loading' | 'loaded' | 'failed'
}

/** The sidebar's list: pinned first, then the newest; a search narrows it. */
export const useConversations = create<List>()(() => ({ rows: [], next: null, query: '', load: 'loading' }))

let pending: AbortController | undefined

/** Loads the first page for the present query; a later call overtakes an earlier one. */
export async function refreshList(): Promise<void> {
  pending?.abort()
  const { signal } = (pending = new AbortController())
  const { query } = useConversations.getState()
  try {
    const { data, next } = await listConversations(query, null, signal)
    useConversations.setState({ rows: data, next, load: 'loaded' })
  } catch {
    if (!signal.aborted) useConversations.setState({ load: 'failed' })
  }
}

export function searchList(query: string): void {
  useConversations.setState({ query })
  void refreshList()
}

export async function loadOlder(): Promise<void> {
  const { query, next } = useConversations.getState()
  if (!next) return
  const page = await listConversations(query, next).catch(() => null)
  if (!page || useConversations.getState().next !== next) return
  useConversations.setState(({ rows }) => {
    const known = new Set(rows.map((row) => row.id))
    return { rows: [...rows, ...page.data.filter((row) => !known.has(row.id))], next: page.next }
  })
}

function patchRow(id: string, patch: Partial<ConversationRow>): void {
  useConversations.setState(({ rows }) => ({ rows: rows.map((row) => (row.id === id ? { ...row, ...patch } : row)) }))
  if (patch.title !== undefined && useThreads.getState()[id]) updateThread(id, { title: patch.title })
}

export async function rename(row: ConversationRow, title: string): Promise<void> {
  if (!title.trim() || title === row.title) return
  patchRow(row.id, { title: title.trim() })
  try {
    await patchConversation(row.id, { title: title.trim() })
  } catch {
    patchRow(row.id, { title: row.title })
    toast(t().errors.rename, { tone: 'error' })
  }
}

export async function togglePin(row: ConversationRow): Promise<void> {
  patchRow(row.id, { pinned: !row.pinned })
  try {
    await patchConversation(row.id, { pinned: !row.pinned })
    await refreshList()
  } catch {
    patchRow(row.id, { pinned: row.pinned })
    toast(t().errors.pin, { tone: 'error' })
  }
}

export async function remove(row: ConversationRow): Promise<void> {
  const wasOpen = currentKey() === row.id
  useConversations.setState(({ rows }) => ({ rows: rows.filter(({ id }) => id !== row.id) }))
  try {
    await deleteConversation(row.id)
  } catch {
    toast(t().errors.delete, { tone: 'error' })
    return refreshList()
  }
  if (wasOpen) navigate(NEW, { replace: true })
  dropThread(row.id)
  const undo = { label: t().sidebar.undo, testId: 'undo', run: () => void restore(row, wasOpen) }
  toast(t().sidebar.deleted(row.title || t().sidebar.untitled), { action: undo })
}

async function restore(row: ConversationRow, open: boolean): Promise<void> {
  try {
    await restoreConversation(row.id)
    if (open) navigate(row.id)
  } catch {
    toast(t().errors.restore, { tone: 'error' })
  }
  await refreshList()
}
