import type { Dictionary } from '../i18n/en'
import { shortId } from '../flywheel/releases'
import { decoded, hrefOf, type Direction } from '../state/route'
import type { Node } from './api'

/** Children that are shown at once; a data set may have thousands. */
export const PAGE = 10

/** Rows that a tree opens with: about a screen. */
const ROWS = 24

const LOCAL = 'local'

/** Kinds whose name says it all, or whose id nobody needs. */
const NAMELESS = ['sample', 'answers', 'source', 'user', 'turn', 'name']

/** What the address asks for: `#/lineage/<id>?direction=down`. */
export function askedOf(hash: string): { id: string; direction: Direction } {
  const [, id = '', query = ''] = /^#\/lineage\/?([^?]*)\??(.*)$/.exec(hash) ?? []
  return { id: decoded(id) ?? '', direction: new URLSearchParams(query).get('direction') === 'down' ? 'down' : 'up' }
}

/** The nodes that are open at first: the nearest to the root, as long as their children fit. */
export function openedAtFirst(root: Node, rows = ROWS): Set<Node> {
  const opened = new Set<Node>()
  let left = rows
  for (let level = [root]; level.length; ) {
    const below: Node[] = []
    for (const node of level) {
      const shown = node.children.slice(0, PAGE)
      if (!shown.length || (node !== root && shown.length > left)) continue
      opened.add(node)
      left -= shown.length
      below.push(...shown)
    }
    level = below
  }
  return opened
}

/** Hashes are cut to what tells them apart; other ids are needed whole. Empty where the name is enough. */
export function idOf({ kind, id }: Node): string {
  if (NAMELESS.includes(kind)) return ''
  return /^(sha256|release):/.test(id) ? shortId(id) : id
}

/** A user's message is of the same kind as an answer. */
export const kindOf = ({ kind, facts }: Node, words: Dictionary['lineage']): string => {
  const said = kind === 'answer' && facts.role !== 'assistant' ? 'message' : kind
  return words.kinds[said] ?? said
}

/** What is told of a node beside its name, as `feilun lineage show` does. */
export function factsOf({ kind, facts }: Node, t: Dictionary): string[] {
  const said: string[] = []
  if (kind === 'answers') said.push(t.lineage.answers(facts.count ?? 0, facts.users ?? 0))
  if (kind === 'sample') said.push(t.lineage.rows(facts.rows ?? 0, (facts.rules ?? []).join(', ')))
  if (kind === 'adapter' && facts.set) said.push(`${t.flywheel.turn.objectives[facts.objective ?? ''] ?? facts.objective} (${facts.set})`)
  if (kind === 'feedback' && facts.rating) said.push(facts.rating > 0 ? t.feedback.good : t.feedback.bad)
  if ((kind === 'feedback' || kind === 'conversation') && facts.user) said.push(facts.user === LOCAL ? t.flywheel.you : facts.user)
  return said
}

/** Where the chat shows it; null for others' conversations, which the chat does not have. */
export function chatOf(node: Node): string | null {
  const conversation = node.kind === 'answer' ? node.children.find(({ kind }) => kind === 'conversation') : node
  return conversation?.kind === 'conversation' && conversation.facts.user === LOCAL ? hrefOf(conversation.id) : null
}

/** Whether one can begin with it: what a release wrote is only counted. */
export const isRoot = ({ kind }: Node): boolean => kind !== 'answers'
