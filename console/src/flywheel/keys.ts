import type { ItemState } from './api'

export type Action = 'accept' | 'edit' | 'reject' | 'next' | 'previous'

/** Single letters, which work only while the queue has the focus (WCAG 2.1.4). */
export const KEYS: Record<Action, string> = { accept: 'a', edit: 'e', reject: 'r', next: 'j', previous: 'k' }

/** What can be done to the items of a tab: what was learnt is past changing. */
export const ACTIONS: Record<ItemState, readonly Action[]> = {
  pending: ['accept', 'edit', 'reject'],
  accepted: ['edit', 'reject'],
  rejected: ['accept', 'edit'],
  taken: [],
}

interface Press {
  key: string
  ctrlKey: boolean
  metaKey: boolean
  altKey: boolean
  /** Of the element that has the focus. */
  tagName: string
  isComposing: boolean
  /** The key is being held down. */
  repeat: boolean
}

/** What a key does in the queue: nothing with a modifier, nothing where one types; held down, it only moves. */
export function actionFor({ key, ctrlKey, metaKey, altKey, tagName, isComposing, repeat }: Press): Action | null {
  if (ctrlKey || metaKey || altKey || isComposing || /^(textarea|input|select)$/i.test(tagName)) return null
  const pressed = key.toLowerCase()
  const action = (Object.keys(KEYS) as Action[]).find((name) => KEYS[name] === pressed) ?? null
  return repeat && action !== 'next' && action !== 'previous' ? null : action
}
