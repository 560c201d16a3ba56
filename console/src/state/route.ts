import { useSyncExternalStore } from 'react'

/** The key of the chat that no conversation stands behind yet. */
export const NEW = 'new'

/** Hash routes only, because the server knows just `/`: `#/` is a new chat, `#/c/<key>` a conversation. */
export function currentKey(): string {
  const match = /^#\/c\/(.+)$/.exec(location.hash)
  return match?.[1] ? decodeURIComponent(match[1]) : NEW
}

export function hrefOf(key: string): string {
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
