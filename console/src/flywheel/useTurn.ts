import { useEffect, useState } from 'react'
import { ApiError } from '../api/http'
import { getTurn, type Turn } from './api'
import { refreshItems, refreshOverview, useFlywheel } from './store'

const LOOK_MS = 2000

/** A turn, asked for again while it runs, and once the page knows that it goes on or was given up. Its end is news for the rest. */
export function useTurn(id: string): { turn: Turn | null; failed: boolean } {
  const [turn, setTurn] = useState<Turn | null>(null)
  const [failed, setFailed] = useState(false)
  const known = useFlywheel(({ overview }) => overview?.turns.find((one) => one.id === id))
  const state = known?.state
  // One that goes on may have ended again before the page has seen it run.
  const ended = state === 'running' ? undefined : known?.last?.time
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    let ran = false
    const look = async () => {
      let again = true
      try {
        const found = await getTurn(id)
        if (gone) return
        setTurn(found)
        setFailed(false)
        again = found.state === 'running'
        if (ran !== again || (state && state !== found.state)) {
          void refreshOverview()
          void refreshItems()
        }
        ran = again
      } catch (error) {
        if (gone) return
        setFailed(true)
        again = !(error instanceof ApiError && error.status === 404)
      }
      if (again) timer = setTimeout(() => void look(), LOOK_MS)
    }
    void look()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [id, state, ended])
  return { turn, failed }
}
