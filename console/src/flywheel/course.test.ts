import { describe, expect, it } from 'vitest'
import type { TurnState } from './api'
import { askedOf, courseOf } from './course'

const course = (names: string[], state: TurnState, passed: boolean | null = null) =>
  Object.values(courseOf({ events: names.map((event) => ({ event, time: 0 })), state, passed })).join(' ')

describe('courseOf', () => {
  it('follows a turn through its steps', () => {
    expect(course(['started'], 'running')).toBe('now waiting waiting waiting waiting waiting')
    expect(course(['started', 'collected', 'built', 'step'], 'running')).toBe('done done now waiting waiting waiting')
    expect(course(['collected', 'built', 'artifact', 'asked'], 'running')).toBe('done done done now waiting waiting')
    expect(course(['collected', 'built', 'artifact', 'gate', 'promoted', 'finished'], 'finished', true)).toBe('done done done done done done')
  })

  it('says where a turn ended badly, and that a closed gate promotes nothing', () => {
    expect(course(['collected', 'built', 'failed'], 'failed')).toBe('done done stuck waiting waiting waiting')
    expect(course(['collected', 'built', 'artifact', 'gate', 'finished'], 'finished', false)).toBe('done done done done done skipped')
  })

  it('passes over what an earlier try has recorded', () => {
    expect(course(['started', 'collected', 'built', 'started', 'collected'], 'running')).toBe('done done now waiting waiting waiting')
  })
})

describe('askedOf', () => {
  it('keeps the newest count of each release', () => {
    const asked = (release: string, step: number) => ({ event: 'asked', time: 0, release, step, steps: 230 })
    const [before, after] = [{ step: 230, steps: 230, candidate: false }, { step: 40, steps: 230, candidate: true }]
    expect(askedOf([asked('a', 20), asked('a', 230), asked('b', 20), asked('b', 40)])).toEqual([before, after])
    expect(askedOf([{ ...asked('a', 230), candidate: false }, { ...asked('b', 40), candidate: true }])).toEqual([before, after])
  })

  it('knows the candidate where the present release had been asked all before', () => {
    expect(askedOf([{ event: 'asked', time: 0, release: 'b', candidate: true, step: 40, steps: 230 }])).toEqual([{ step: 40, steps: 230, candidate: true }])
  })
})
