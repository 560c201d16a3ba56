import { requestJson } from '../api/http'
import type { Direction } from '../state/route'

/** What is told of a node beside its name; which of these depends on its kind. */
export interface Facts {
  serves?: boolean
  /** Made from words that were forgotten since. */
  tainted?: boolean
  /** False: named by something else, and not here itself. */
  known?: boolean
  role?: string
  user?: string
  rating?: 1 | -1 | null
  count?: number
  users?: number
  rows?: number
  rules?: string[]
  answer?: string
  objective?: string | null
  set?: string | null
}

/** The shape of `/api/lineage`, which is also that of `feilun lineage show --json`. */
export interface Node {
  kind: string
  id: string
  name: string
  created: string | null
  facts: Facts
  /** What lies behind it is left out: it stands elsewhere in the tree, or too deep. */
  more: boolean
  children: Node[]
}

export const getLineage = (id: string, direction: Direction, signal?: AbortSignal) =>
  requestJson<Node>(`/api/lineage/${encodeURIComponent(id)}?direction=${direction}`, { signal })
