import { useSyncExternalStore } from 'react'

const query = window.matchMedia('(min-width: 768px)')

function subscribe(listener: () => void): () => void {
  query.addEventListener('change', listener)
  return () => query.removeEventListener('change', listener)
}

/** Is there room for the sidebar beside the page? */
export const useWide = () => useSyncExternalStore(subscribe, () => query.matches)
