import type { Item } from './api'

/** Neighbours about nearly the same question, together; the order is the server's. */
export function grouped(items: readonly Item[]): Item[][] {
  const groups: Item[][] = []
  for (const item of items) {
    const last = groups.at(-1)
    if (last?.[0]?.group === item.group) last.push(item)
    else groups.push([item])
  }
  return groups
}

/** The item `step` places further on, if there is one. */
export function neighbour(items: readonly Item[], id: string | null, step: 1 | -1): Item | undefined {
  const at = items.findIndex((item) => item.id === id)
  return at < 0 ? items[0] : items[at + step]
}

/** What a decision must repeat: a reviewer's words are part of it, and would be gone with the next one. */
export function wordsOf({ edited, question, answer }: Item): { question?: string; answer?: string } {
  return edited ? { question, ...(answer === null ? {} : { answer }) } : {}
}

/** Of the element that stands for an item, and has the focus while it is the selected one. */
export const rowId = (id: string): string => `review-${id}`
