import type { ConversationRow } from '../api/types'

export type Group = 'pinned' | 'today' | 'yesterday' | 'week' | 'month' | 'older' | 'results'

/** The list cut by age, in the order in which it came; found conversations are one group. */
export function groupByAge(rows: readonly ConversationRow[], searching: boolean, now = new Date()): [Group, ConversationRow[]][] {
  const groups = new Map<Group, ConversationRow[]>()
  for (const row of rows) {
    const group = searching ? 'results' : row.pinned ? 'pinned' : ageOf(row.updated_ms, now)
    const members = groups.get(group)
    if (members) members.push(row)
    else groups.set(group, [row])
  }
  return [...groups]
}

function ageOf(ms: number, now: Date): Group {
  const midnight = (daysAgo: number) => new Date(now.getFullYear(), now.getMonth(), now.getDate() - daysAgo).getTime()
  if (ms >= midnight(0)) return 'today'
  if (ms >= midnight(1)) return 'yesterday'
  if (ms >= midnight(7)) return 'week'
  return ms >= midnight(30) ? 'month' : 'older'
}
