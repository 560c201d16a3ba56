import { create } from 'zustand'
import { PLAN, currentKey, replaceHash } from '../state/route'
import { FIRST, hashOf, questionOf, type Fields, type Question } from './question'

/** What is asked now; the address follows it, and it follows the address. */
export const usePlan = create<Question>()(() => questionOf(location.hash, FIRST))

const WRITE_MS = 300
let timer: ReturnType<typeof setTimeout> | undefined

/** Browsers forbid to write the address as often as a slider moves. */
function write(): void {
  clearTimeout(timer)
  timer = setTimeout(() => {
    if (currentKey() === PLAN) replaceHash(hashOf(usePlan.getState()))
  }, WRITE_MS)
}

export function ask(change: Partial<Omit<Question, 'fields'>>, fields: Fields = {}): void {
  usePlan.setState((question) => ({ ...change, fields: { ...question.fields, ...fields } }))
  write()
}

/** Reads the address, as it is when the page opens and when somebody changes it. */
export function readAddress(): void {
  if (currentKey() !== PLAN) return
  const now = usePlan.getState()
  if (location.hash !== hashOf(now)) usePlan.setState(questionOf(location.hash, now))
}
