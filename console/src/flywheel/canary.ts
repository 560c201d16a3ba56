import { requestJson } from '../api/http'

export interface Tally {
  up: number
  down: number
}

/** The default model's canary, as `/api/flywheel/canary` gives it. */
export interface Canary {
  release: string
  present: string
  /** Of the conversations, 0 to 0.5. */
  share: number
  since_ms: number
  votes_needed: number
  /** What it still lacks to take over by its votes: `present_votes` of the other, or a `share` of thumbs up that is not plainly lower. */
  waits_for: 'votes' | 'present_votes' | 'share' | null
  votes: { canary: Tally; present: Tally; capped: number }
  /** 1 is none. */
  evidence: { worse: number; better: number; needed: number }
  /** Of its engine. */
  state: 'cold' | 'loading' | 'ready' | 'error'
  error: string | null
}

const ROOT = '/api/flywheel/canary'

export const getCanary = async (): Promise<Canary | null> => (await requestJson<{ canary: Canary | null }>(ROOT)).canary

export const endCanary = (how: 'promote' | 'withdraw') => requestJson<{ model: string; release: string }>(`${ROOT}/${how}`, { method: 'POST' })

/** How far evidence is from deciding, 0 to 1: as it is multiplied from vote to vote, on a scale of logarithms. */
export const weight = (evidence: number, needed: number): number => Math.min(1, Math.max(0, Math.log(evidence) / Math.log(needed)))
