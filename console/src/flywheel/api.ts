import { requestJson } from '../api/http'

/** The shapes of `/api/flywheel`, as they travel. */

export type ItemState = 'pending' | 'accepted' | 'rejected' | 'taken'
export type Decision = 'accept' | 'reject'
export type TurnState = 'running' | 'finished' | 'failed' | 'stopped' | 'interrupted'
export type Part = 'target' | 'heldout' | 'zh' | 'en' | 'safety'

export interface Item {
  id: string
  state: ItemState
  user: string
  rating: 1 | -1 | null
  tags: string[]
  comment: string | null
  question: string
  /** What was answered. */
  given: string
  /** What would be learnt; null while nobody has said what the answer should have been. */
  answer: string | null
  /** A better answer to the question, which is learnt only if a reviewer says so. */
  suggestion: string | null
  /** A thumb that stands alone, and says good or bad: null where there is a better answer, or no thumb. */
  thumb: boolean | null
  /** A reviewer's words stand in `question` or `answer`. */
  edited: boolean
  group: string
  disputed: boolean
  /** Kinds of personal data in what would be learnt. */
  personal: string[]
  conversation_id: string
  created_ms: number
}

/** One line of a turn's record: its name, its time (Unix seconds), and the event's own fields. */
export interface TurnEvent {
  event: string
  time: number
  [field: string]: unknown
}

export interface TurnSummary {
  id: string
  state: TurnState
  created: string
  last: TurnEvent | null
  passed: boolean | null
  /** It was given up. */
  discarded: boolean
  words: { en: string; zh: string }[]
}

export interface Changed {
  part: Part
  id: string
  question: string
  wanted: string | null
  before: string
  after: string
  passed_before: boolean
  passed_after: boolean
  /** So often was the present release asked, and so often did it pass: rounding alone changes some answers. */
  asked_before: number
  times_before: number | null
}

/** Whether the present release, asked more than once, was right now and then. */
export const sometimes = ({ times_before: right, asked_before: asked }: Changed) => right !== null && right > 0 && right < asked

export interface Turn extends TurnSummary {
  events: TurnEvent[]
  verdict: { passed: boolean; held_out: boolean; changed: Changed[] } | null
}

export interface Served {
  model: string
  release: string
  reason: string
  turn: string | null
  since_ms: number
}

export interface Overview {
  items: Record<ItemState, number>
  /** Accepted items that a turn needs. */
  least: number
  /** What a turn trains, in this order: `sft`, `dpo`, `kto`. */
  objectives: string[]
  /** What a turn would cost and bring, in four sentences: size, cost, gain, and what they rest on. Null: nothing to learn. */
  estimate: { words: { en: string; zh: string }[] } | null
  model: string
  release: string
  /** The newest first, as is the history. */
  turns: TurnSummary[]
  /** The turn that is gone on with, or given up, before another one can begin. */
  unfinished: string | null
  history: Served[]
}

const ROOT = '/api/flywheel'

export const getOverview = () => requestJson<Overview>(ROOT)

export const getItems = (state: ItemState) => requestJson<{ data: Item[]; total: number }>(`${ROOT}/items?state=${state}`)

/** Absent texts leave what would be learnt as its author wrote it. */
export const postDecision = (id: string, decision: Decision, words: { question?: string; answer?: string }) =>
  requestJson(`${ROOT}/items/${encodeURIComponent(id)}`, { method: 'POST', body: { decision, ...words } })

export const postTurn = () => requestJson<{ id: string }>(`${ROOT}/turns`, { method: 'POST' })

export const discardTurn = (id: string) => requestJson<{ id: string; items: number }>(`${ROOT}/turns/${encodeURIComponent(id)}/discard`, { method: 'POST' })

export const getTurn = (id: string) => requestJson<Turn>(`${ROOT}/turns/${encodeURIComponent(id)}`)

export const postRollback = () => requestJson<{ model: string; release: string }>(`${ROOT}/rollback`, { method: 'POST' })
