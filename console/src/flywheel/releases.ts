import type { Overview } from './api'

/**
 * The release that a rollback brings back, or null. As on the server: a rollback undoes what served after its
 * release, so that the next one goes a step further back.
 */
export function releaseBefore({ history, model, release }: Pick<Overview, 'history' | 'model' | 'release'>): string | null {
  const line: string[] = []
  for (const row of history.filter((served) => served.model === model).reverse()) {
    if (row.reason !== 'rollback') line.push(row.release)
    else while (line.length && line.at(-1) !== row.release) line.pop()
  }
  while (line.at(-1) === release) line.pop()
  return line.at(-1) ?? null
}

/** Enough of an id to tell releases apart by eye. */
export const shortId = (id: string): string => id.replace(/^[a-z0-9]+:/, '').slice(0, 8)
