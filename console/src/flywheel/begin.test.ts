import { describe, expect, it } from 'vitest'
import type { TurnState, TurnSummary } from './api'
import { beginningOf, resumable } from './begin'

const turn = (id: string, state: TurnState): TurnSummary => ({ id, state, created: '', last: null, passed: null, discarded: false, words: [] })

const beginning = (turns: TurnSummary[], unfinished: string | null, accepted = 0) =>
  beginningOf({ turns, unfinished, least: 6, items: { pending: 0, accepted, rejected: 0, taken: 8 } })

describe('beginningOf', () => {
  it('goes on with a turn however it ended before its end', () => {
    for (const state of ['stopped', 'interrupted', 'failed'] as const) {
      expect(beginning([turn('b', state), turn('a', 'finished')], 'b')).toBe(state)
      expect(resumable(state)).toBe(true)
    }
  })

  it('passes over a turn that has taken nothing, or was given up', () => {
    expect(beginning([turn('a', 'failed')], null)).toBe('tooFew')
    expect(beginning([turn('a', 'failed')], null, 6)).toBe('ready')
    expect(beginning([turn('a', 'finished')], null, 6)).toBe('ready')
    expect(['running', 'tooFew', 'ready'].some((state) => resumable(state as never))).toBe(false)
  })

  it('waits for the one that is being made', () => {
    expect(beginning([turn('a', 'running')], null, 8)).toBe('running')
    expect(beginning([], null, 8)).toBe('ready')
  })
})
