import { create } from 'zustand'

/**
 * Typed but unsent text, by key (a chat, or an edit or correction of a message). It lives in localStorage, so that
 * neither a reload nor a dead server loses it.
 */
const storageKey = (key: string) => `feilun.draft.${key}`

function read(key: string): string {
  try {
    return localStorage.getItem(storageKey(key)) ?? ''
  } catch {
    return ''
  }
}

function write(key: string, text: string): void {
  try {
    if (text) localStorage.setItem(storageKey(key), text)
    else localStorage.removeItem(storageKey(key))
  } catch {
    // Full or forbidden storage: the text still lives in memory.
  }
}

const useDrafts = create<Record<string, string>>()(() => ({}))

export const getDraft = (key: string): string => useDrafts.getState()[key] ?? read(key)

export function setDraft(key: string, text: string): void {
  write(key, text)
  useDrafts.setState({ [key]: text })
}

/** Empties the box but keeps the stored copy until the server has the text (then `setDraft(key, '')`). */
export const hideDraft = (key: string): void => useDrafts.setState({ [key]: '' })

/** Drops the stored copy, unless something new has been typed since `hideDraft`. */
export function confirmDraft(key: string): void {
  write(key, useDrafts.getState()[key] ?? '')
}

/** Brings a text back that could not be sent, before whatever has been typed since. */
export function restoreDraft(key: string, text: string): void {
  const typed = useDrafts.getState()[key]
  setDraft(key, typed ? `${text}\n\n${typed}` : text)
}

export function moveDraft(from: string, to: string): void {
  const text = useDrafts.getState()[from]
  if (text) setDraft(to, text)
  setDraft(from, '')
}

export function useDraft(key: string): [string, (text: string) => void] {
  const text = useDrafts((drafts) => drafts[key]) ?? read(key)
  return [text, (next) => setDraft(key, next)]
}
