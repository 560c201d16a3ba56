import { useEffect, useState } from 'react'
import { ApiError } from '../api/http'
import { getTurn, type Turn } from './api'
import { refreshItems, refreshOverview } from './store'

const LOOK_MS = 2000

/** A turn, asked for again while it runs. Its end is news for the rest of the page. */
export function useTurn(id: string): { turn: Turn | null; failed: boolean } {
  const [turn, setTurn] = useState<Turn | null>(null)
  const [failed, setFailed] = useState(false)
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
        if (ran !== again) {
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
  }, [id])
  return { turn, failed }
}
