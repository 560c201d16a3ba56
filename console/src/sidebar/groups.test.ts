import { describe, expect, it } from 'vitest'
import { groupByAge } from './groups'

const now = new Date(2026, 10, 21, 9, 0)
const row = (id: string, daysAgo: number, pinned = false) => ({
  id, title: id, pinned, created_ms: 0, updated_ms: new Date(2026, 10, 21 - daysAgo, 8).getTime(),
})
const names = (groups: ReturnType<typeof groupByAge>) => groups.map(([group, rows]) => `${group}:${rows.map(({ id }) => id).join('')}`)

describe('groupByAge', () => {
  it('cuts by calendar days and puts the pinned apart', () => {
    const rows = [row('p', 90, true), row('a', 0), row('b', 1), row('c', 2), row('d', 7), row('e', 8), row('f', 90)]
    expect(names(groupByAge(rows, false, now))).toEqual(['pinned:p', 'today:a', 'yesterday:b', 'week:cd', 'month:e', 'older:f'])
  })

  it('keeps results together in their order', () => {
    expect(names(groupByAge([row('b', 9), row('a', 0)], true, now))).toEqual(['results:ba'])
  })
})
