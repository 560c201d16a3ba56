import type { Overview } from './api'

/** Reasons of rows after which most conversations are answered by the release that answered them before. */
const UNCHANGED = ['canary', 'canary_worse', 'canary_withdrawn']

/**
 * The release that a rollback brings back, or null. As on the server: a rollback undoes what served after its
 * release, so that the next one goes a step further back; and first of all it withdraws a canary.
 */
export function releaseBefore({ history, model, release }: Pick<Overview, 'history' | 'model' | 'release'>): string | null {
  const line: string[] = []
  const rows = history.filter((served) => served.model === model).reverse()
  if (rows.at(-1)?.reason === 'canary') return release
  for (const row of rows) {
    if (row.reason === 'rollback') while (line.length && line.at(-1) !== row.release) line.pop()
    else if (!UNCHANGED.includes(row.reason)) line.push(row.release)
  }
  while (line.at(-1) === release) line.pop()
  return line.at(-1) ?? null
}

/** Enough of an id to tell releases apart by eye. */
export const shortId = (id: string): string => id.replace(/^[a-z0-9]+:/, '').slice(0, 8)
