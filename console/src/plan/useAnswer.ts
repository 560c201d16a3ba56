import { useEffect, useState } from 'react'
import { ApiError } from '../api/http'
import { useLang, useT } from '../i18n'
import { reasonOf, useServer } from '../state/server'
import { getPlan } from './api'

const DELAY_MS = 150

export interface Answer<T> {
  /** The newest there is; of an earlier question while `waiting`. */
  plan: T | null
  /** What it is the answer to. */
  path: string | null
  fault: { message: string; code: string | null } | null
  waiting: boolean
}

/** The answer to a path of `/api/plan`, a moment after it was last changed. An older request is given up. */
export function useAnswer<T>(path: string | null, delay = DELAY_MS): Answer<T> {
  const lang = useLang()
  const { errors } = useT()
  const reachable = useServer((server) => server.reachable)
  const [answer, setAnswer] = useState<Omit<Answer<T>, 'waiting'>>({ plan: null, path: null, fault: null })
  const [answered, setAnswered] = useState<string | null>(null)
  const asked = path && `${lang} ${path}`
  useEffect(() => {
    if (path === null || !reachable) return
    const abort = new AbortController()
    const timer = setTimeout(async () => {
      try {
        const plan = await getPlan<T>(path, abort.signal)
        setAnswer({ plan, path, fault: null })
      } catch (error) {
        if (abort.signal.aborted) return
        setAnswer({ plan: null, path, fault: { message: reasonOf(error, errors.unreachable), code: error instanceof ApiError ? error.code : null } })
      }
      setAnswered(`${lang} ${path}`)
    }, delay)
    return () => {
      clearTimeout(timer)
      abort.abort()
    }
  }, [path, lang, reachable, delay, errors])
  if (path === null) return { plan: null, path: null, fault: null, waiting: false }
  return { ...answer, waiting: answered !== asked }
}
