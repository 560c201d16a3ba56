import { useEffect, useState } from 'react'
import { t, useLang } from '../i18n'
import type { Direction } from '../state/route'
import { reasonOf, useServer } from '../state/server'
import { getLineage, type Node } from './api'

interface Answer {
  tree: Node | null
  /** Why there is none, in the reader's language. */
  fault: string | null
}

const NONE: Answer = { tree: null, fault: null }

/** The tree of `id`; the server is asked anew when it is back, and when the language changes, for its faults are in it. */
export function useLineage(id: string, direction: Direction): Answer {
  const lang = useLang()
  const reachable = useServer((server) => server.reachable)
  const [last, setLast] = useState({ ...NONE, id, direction })

  useEffect(() => {
    if (!id || !reachable) return
    const control = new AbortController()
    getLineage(id, direction, control.signal).then(
      (tree) => setLast({ id, direction, tree, fault: null }),
      (error: unknown) => {
        if (!control.signal.aborted) setLast({ id, direction, tree: null, fault: reasonOf(error, t().errors.unreachable) })
      },
    )
    return () => control.abort()
  }, [id, direction, lang, reachable])

  return last.id === id && last.direction === direction ? last : NONE
}
