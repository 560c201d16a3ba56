import type { Overview } from './api'

export type Beginning = 'running' | 'stopped' | 'interrupted' | 'failed' | 'tooFew' | 'ready'

/** What stands in the way of a turn, or waits: one that was stopped, interrupted or has failed is gone on with, or given up. */
export function beginningOf({ turns, unfinished, least, items }: Pick<Overview, 'turns' | 'unfinished' | 'least' | 'items'>): Beginning {
  if (turns[0]?.state === 'running') return 'running'
  const state = turns.find(({ id }) => id === unfinished)?.state
  if (state === 'stopped' || state === 'interrupted' || state === 'failed') return state
  return items.accepted < least ? 'tooFew' : 'ready'
}

/** Whether a turn waits to be gone on with. */
export const resumable = (beginning: Beginning): boolean => ['stopped', 'interrupted', 'failed'].includes(beginning)
