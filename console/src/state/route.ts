import { useSyncExternalStore } from 'react'

/** The key of the chat that no conversation stands behind yet. */
export const NEW = 'new'

/** The key of the page that is no chat. */
export const FLYWHEEL = 'flywheel'

/**
 * Hash routes only, because the server knows just `/`: `#/` is a new chat, `#/c/<key>` a conversation, `#/flywheel`
 * the flywheel, where one of its turns may be open (`#/flywheel/<turn>`).
 */
export function currentKey(): string {
  if (/^#\/flywheel(\/|$)/.test(location.hash)) return FLYWHEEL
  const match = /^#\/c\/(.+)$/.exec(location.hash)
  return match?.[1] ? decodeURIComponent(match[1]) : NEW
}

export function currentTurn(): string | null {
  const match = /^#\/flywheel\/(.+)$/.exec(location.hash)
  return match?.[1] ? decodeURIComponent(match[1]) : null
}

export const turnHref = (id: string): string => `#/flywheel/${encodeURIComponent(id)}`

export function hrefOf(key: string): string {
  if (key === FLYWHEEL) return '#/flywheel'
  return key === NEW ? '#/' : `#/c/${encodeURIComponent(key)}`
}

export function navigate(key: string, { replace = false } = {}): void {
  if (key === currentKey()) return
  if (!replace) {
    location.hash = hrefOf(key)
    return
  }
  history.replaceState(null, '', hrefOf(key))
  // replaceState is silent; the components listen to this event.
  window.dispatchEvent(new HashChangeEvent('hashchange'))
}

function subscribe(listener: () => void): () => void {
  window.addEventListener('hashchange', listener)
  return () => window.removeEventListener('hashchange', listener)
}

export const useCurrentKey = () => useSyncExternalStore(subscribe, currentKey)
export const useCurrentTurn = () => useSyncExternalStore(subscribe, currentTurn)
