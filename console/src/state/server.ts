import { create } from 'zustand'
import { getModels, getStatus } from '../api/console'
import { ApiError } from '../api/http'
import type { Model, Settings, Status } from '../api/types'

interface Server {
  status: Status | null
  models: Model[]
  reachable: boolean
}

export const useServer = create<Server>()(() => ({ status: null, models: [], reachable: true }))

const READY_MS = 30_000
const WAITING_MS = 1_500
let timer: ReturnType<typeof setTimeout> | undefined

/** Asks the server how it is, and goes on asking: often while something is amiss, rarely otherwise. */
export async function watchServer(): Promise<void> {
  clearTimeout(timer)
  try {
    const [status, models] = await Promise.all([getStatus(), getModels()])
    useServer.setState({ status, models, reachable: true })
  } catch (error) {
    // Any HTTP answer proves that it is there.
    useServer.setState({ reachable: !(error instanceof ApiError && error.status === 0) })
  }
  clearTimeout(timer)
  const { status, reachable } = useServer.getState()
  timer = setTimeout(() => void watchServer(), reachable && status?.ready ? READY_MS : WAITING_MS)
}

/** The words for a fault; one that says "unreachable" also starts the quick polling. */
export function reasonOf(error: unknown, unreachable: string): string {
  if (!(error instanceof ApiError)) return error instanceof Error ? error.message : String(error)
  if (error.status !== 0) return error.message
  useServer.setState({ reachable: false })
  void watchServer()
  return unreachable
}

/** The model a chat uses: its own choice while that exists, else the default, which stands first. */
export function modelFor(settings: Settings, models: readonly Model[]): Model | undefined {
  return models.find((model) => model.id === settings.model) ?? models[0]
}
