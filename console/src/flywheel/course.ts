import type { Turn, TurnEvent } from './api'

export const STEPS = ['collected', 'built', 'trained', 'asked', 'gate', 'promoted'] as const
export type Step = (typeof STEPS)[number]
export type StepState = 'done' | 'now' | 'stuck' | 'waiting' | 'skipped'

/** Which events say that a step is over. What is asked has no such event: the gate follows at once. */
const OVER: Record<Step, string> = { collected: 'collected', built: 'built', trained: 'artifact', asked: 'gate', gate: 'gate', promoted: 'promoted' }

/** How far each step of a turn is. A turn whose gate did not open skips the last one. */
export function courseOf({ events, state, passed }: Pick<Turn, 'events' | 'state' | 'passed'>): Record<Step, StepState> {
  const seen = new Set(events.map(({ event }) => event))
  const done = STEPS.findLastIndex((step) => seen.has(OVER[step]))
  const now = state === 'running' ? 'now' : state === 'finished' ? 'waiting' : 'stuck'
  const states = STEPS.map((step, at): StepState => {
    if (step === 'promoted' && passed === false) return 'skipped'
    return at <= done ? 'done' : at === done + 1 ? now : 'waiting'
  })
  return Object.fromEntries(STEPS.map((step, at) => [step, states[at]])) as Record<Step, StepState>
}

export const lastOf = (events: readonly TurnEvent[], name: string): TurnEvent | undefined => events.findLast(({ event }) => event === name)

export interface Asked {
  /** Answers that there are, of how many. */
  step: number
  steps: number
  candidate: boolean
}

/** How far the questions are, of the present release (which may have been asked all before) and of the candidate. */
export function askedOf(events: readonly TurnEvent[]): Asked[] {
  const newest = new Map<unknown, Omit<Asked, 'candidate'> & { candidate: unknown }>()
  for (const { event, release, candidate, step, steps } of events) {
    if (event !== 'asked' || typeof step !== 'number' || typeof steps !== 'number') continue
    newest.set(release, { step, steps, candidate })
  }
  // Turns of earlier versions do not say which it was; there the present release came first.
  return [...newest.values()].map(({ candidate, ...asked }, which) => ({ ...asked, candidate: typeof candidate === 'boolean' ? candidate : which > 0 }))
}
