import { create } from 'zustand'
import { t } from '../i18n'
import { speak, toast } from '../state/notices'
import { reasonOf } from '../state/server'
import { getItems, getOverview, postDecision, type Decision, type Item, type ItemState, type Overview } from './api'
import { ACTIONS, type Action } from './keys'
import { neighbour, wordsOf } from './queue'

/** What a reviewer has typed about an item and not sent. */
export interface Draft {
  question: string
  answer: string
}

interface Flywheel {
  overview: Overview | null
  overviewFailed: boolean
  tab: ItemState
  items: Item[]
  total: number
  load: 'loading' | 'loaded' | 'failed'
  selected: string | null
  /** By item; while there is one, the item is being edited. */
  drafts: Record<string, Draft>
  /** Items whose decision is on its way. */
  sending: string[]
}

export const useFlywheel = create<Flywheel>()(() => ({
  overview: null, overviewFailed: false, tab: 'pending', items: [], total: 0, load: 'loading', selected: null, drafts: {}, sending: [],
}))

const { getState: get, setState: set } = useFlywheel

export async function refreshOverview(): Promise<void> {
  try {
    set({ overview: await getOverview(), overviewFailed: false })
  } catch (error) {
    reasonOf(error, '')
    set({ overviewFailed: true })
  }
}

/** Loads the open tab again. What is on its way to the server stays away. */
export async function refreshItems(): Promise<void> {
  const { tab } = get()
  try {
    const { data, total } = await getItems(tab)
    if (get().tab !== tab) return
    const items = data.filter(({ id }) => !get().sending.includes(id))
    const selected = items.find(({ id }) => id === get().selected) ?? items[0]
    set({ items, total, load: 'loaded', selected: selected?.id ?? null })
  } catch {
    if (get().tab === tab && get().load !== 'loaded') set({ load: 'failed' })
  }
}

export function showTab(tab: ItemState): void {
  set({ tab, items: [], total: 0, load: 'loading', selected: null })
  void refreshItems()
}

export const select = (id: string): void => set({ selected: id })

function move(step: 1 | -1): void {
  const next = neighbour(get().items, get().selected, step)
  if (next) select(next.id)
}

function edit({ id, question, answer, suggestion }: Item): void {
  set(({ drafts }) => ({ selected: id, drafts: { ...drafts, [id]: { question, answer: answer ?? suggestion ?? '' } } }))
}

export function setDraft(id: string, draft: Draft): void {
  set(({ drafts }) => ({ drafts: { ...drafts, [id]: draft } }))
}

export function endEdit(id: string): void {
  set(({ drafts: { [id]: _, ...drafts } }) => ({ drafts }))
}

/** Accepts what stands there, as it was edited if it was; without anything to learn, asks for an answer. */
export function accept(item: Item): void {
  const draft = get().drafts[item.id]
  const complaint = item.thumb === false && get().overview?.objectives.includes('kto')
  if (!draft && !item.answer?.trim() && !complaint) {
    edit(item)
    speak(t().flywheel.review.write)
  } else if (!draft) void decide(item, 'accept', wordsOf(item))
  else if (draft.answer.trim()) {
    const { question, answer } = wordsOf(item)
    // Words that nobody changed stay their author's.
    void decide(item, 'accept', {
      question: draft.question.trim() && draft.question !== item.question ? draft.question.trim() : question,
      answer: draft.answer === item.answer ? answer : draft.answer.trim(),
    })
  }
}

const reject = (item: Item): void => void decide(item, 'reject', wordsOf(item))

/** What a key or a button does to an item, where its tab allows it. */
export function act(action: Action, item: Item): void {
  if (action === 'next') move(1)
  else if (action === 'previous') move(-1)
  else if (ACTIONS[get().tab].includes(action)) ({ accept, edit, reject })[action](item)
}

/** The next item comes at once; one whose decision does not arrive comes back. */
async function decide(item: Item, decision: Decision, words: { question?: string; answer?: string }): Promise<void> {
  const { id } = item
  if (get().sending.includes(id)) return
  const { items, total } = get()
  const next = neighbour(items, id, 1) ?? neighbour(items, id, -1)
  set({ items: items.filter((other) => other.id !== id), total: total - 1, selected: next?.id ?? null, sending: [...get().sending, id] })
  let failed = false
  try {
    await postDecision(id, decision, words)
    endEdit(id)
    speak(t().flywheel.review.done[decision])
  } catch (error) {
    failed = true
    toast(`${t().flywheel.review.failed} ${reasonOf(error, t().errors.unreachable)}`, { tone: 'error' })
  }
  set(({ sending }) => ({ sending: sending.filter((other) => other !== id) }))
  await refreshOverview()
  // It may belong here still: not saved, or decided anew as it was. Else nothing is to be loaded, and nothing jumps.
  const place: ItemState = failed ? item.state : decision === 'accept' ? 'accepted' : 'rejected'
  if (get().tab === place) await refreshItems()
  if (failed && get().tab === place) select(id)
}
