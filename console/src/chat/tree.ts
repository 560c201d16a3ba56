import type { Message } from '../api/types'

/**
 * A conversation is a tree: an edit or a regenerate makes a sibling. It travels as a flat list, oldest first.
 * What one sees is a path from a root to a leaf.
 */

/** The messages from the root to `leafId`, both included. */
export function pathTo(messages: readonly Message[], leafId: string | null): Message[] {
  const byId = new Map(messages.map((message) => [message.id, message]))
  const path: Message[] = []
  let at = leafId ? byId.get(leafId) : undefined
  // Bounded, so that no malformed parent chain can loop for ever.
  while (at && path.length < messages.length) {
    path.push(at)
    at = at.parent_id ? byId.get(at.parent_id) : undefined
  }
  return path.reverse()
}

/** The newest message below `id`, following the newest child each time; `id` itself if it has none. */
export function newestLeaf(messages: readonly Message[], id: string): string {
  const newestChild = new Map<string | null, string>()
  for (const message of messages) newestChild.set(message.parent_id, message.id)
  let leaf = id
  for (let steps = 0; steps < messages.length; steps++) {
    const child = newestChild.get(leaf)
    if (!child) break
    leaf = child
  }
  return leaf
}

/** The leaf to show: the wished one if it is still there, else the newest. */
export function leafToShow(messages: readonly Message[], wished: string | null): string | null {
  if (wished && messages.some((message) => message.id === wished)) return newestLeaf(messages, wished)
  return messages.at(-1)?.id ?? null
}

/** Those of the versions of an answer that have come to an end with something to read. */
export function comparable(messages: readonly Message[], ids: readonly string[]): Message[] {
  const versions = ids.map((id) => messages.find((message) => message.id === id))
  return versions.filter((one): one is Message => one !== undefined && one.status !== 'generating' && Boolean(one.content?.trim()))
}

/** For each message of a path its place among its siblings. */
export interface Place {
  message: Message
  siblings: readonly string[]
  index: number
}

export function placesOf(messages: readonly Message[], path: readonly Message[]): Place[] {
  const children = new Map<string | null, string[]>()
  for (const message of messages) {
    const siblings = children.get(message.parent_id)
    if (siblings) siblings.push(message.id)
    else children.set(message.parent_id, [message.id])
  }
  return path.map((message) => {
    const siblings = children.get(message.parent_id) ?? [message.id]
    return { message, siblings, index: siblings.indexOf(message.id) }
  })
}
