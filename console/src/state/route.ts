import { useSyncExternalStore } from 'react'

/** The key of the chat that no conversation stands behind yet. */
export const NEW = 'new'

/** The keys of the pages that are no chat. */
export const FLYWHEEL = 'flywheel'
export const PLAN = 'plan'
export const LINEAGE = 'lineage'

/** Of a lineage: to what something came from, or to what came of it. */
export type Direction = 'up' | 'down'

/** What a part of an address means; null where it is malformed. */
export function decoded(part: string): string | null {
  try {
    return decodeURIComponent(part)
  } catch {
    return null
  }
}

/**
 * Hash routes only, because the server knows just `/`: `#/` is a new chat, `#/c/<key>` a conversation, `#/flywheel`
 * the flywheel, where one of its turns may be open (`#/flywheel/<turn>`), `#/plan/<tab>?<question>` a plan,
 * `#/lineage/<id>` where something came from.
 */
export function currentKey(): string {
  if (/^#\/flywheel(\/|$)/.test(location.hash)) return FLYWHEEL
  if (/^#\/plan([/?]|$)/.test(location.hash)) return PLAN
  if (/^#\/lineage([/?]|$)/.test(location.hash)) return LINEAGE
  const match = /^#\/c\/(.+)$/.exec(location.hash)
  return (match?.[1] && decoded(match[1])) || NEW
}

export function currentTurn(): string | null {
  const match = /^#\/flywheel\/(.+)$/.exec(location.hash)
  return match?.[1] ? decoded(match[1]) : null
}

export const turnHref = (id: string): string => `#/flywheel/${encodeURIComponent(id)}`

export const lineageHref = (id: string, direction: Direction = 'up'): string =>
  `#/lineage/${encodeURIComponent(id)}${direction === 'down' ? '?direction=down' : ''}`

export function hrefOf(key: string): string {
  if (key === FLYWHEEL || key === PLAN || key === LINEAGE) return `#/${key}`
  return key === NEW ? '#/' : `#/c/${encodeURIComponent(key)}`
}

export function navigate(key: string, { replace = false } = {}): void {
  if (key === currentKey()) return
  if (!replace) {
    location.hash = hrefOf(key)
    return
  }
  replaceHash(hrefOf(key))
}

/** The same entry of the history with another address. */
export function replaceHash(hash: string): void {
  history.replaceState(null, '', hash)
  // replaceState is silent; the components listen to this event.
  window.dispatchEvent(new HashChangeEvent('hashchange'))
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener)
  return () => window.removeEventListener('hashchange', listener)
}

export const useCurrentKey = () => useSyncExternalStore(subscribe, currentKey)
export const useHash = () => useSyncExternalStore(subscribe, () => location.hash)
export const useCurrentTurn = () => useSyncExternalStore(subscribe, currentTurn)
