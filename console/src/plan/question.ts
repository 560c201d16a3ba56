/** What the page asks, in the words of `feilun plan`: the same in the address, in the request and in the command. */

export const TABS = ['train', 'serve', 'compare'] as const
export type Tab = (typeof TABS)[number]

/** What is given of a training run: how many devices, how much money, or how much time. */
export const GOALS = ['count', 'budget', 'deadline'] as const
export type Goal = (typeof GOALS)[number]

const NAMES = [
  'params', 'active', 'tokens', 'model', 'device', 'count', 'budget', 'deadline', 'tflops', 'length', 'precision', 'recompute', 'price',
  'users', 'context', 'quantisation', 'speculative', 'per_day', 'answer_tokens', 'revenue',
] as const
export type Name = (typeof NAMES)[number]
export type Fields = Partial<Record<Name, string>>

export interface Question {
  tab: Tab
  goal: Goal
  fields: Fields
  /** That are compared; none: the usual ones. */
  devices: string[]
}

/** GPT-3 on a thousand cards: the number that everybody knows. */
export const FIRST: Question = {
  tab: 'train',
  goal: 'count',
  fields: {
    params: '175B', tokens: '300B', device: 'A100 SXM 80GB', count: '1024', budget: '50000USD', deadline: '30d',
    users: '200', context: '8k', model: 'qwen3-8b',
  },
  devices: [],
}

const MORE: Name[] = ['active', 'tflops', 'length', 'precision', 'recompute', 'price']

const ASKED: Record<Goal | 'serve' | 'compare', Name[]> = {
  count: ['params', 'tokens', 'device', 'count', ...MORE],
  budget: ['budget', 'device', 'tflops', 'length', 'price'],
  deadline: ['params', 'tokens', 'device', 'deadline', 'active', 'tflops', 'length', 'price'],
  serve: ['model', 'params', 'users', 'context', 'device', 'quantisation', 'speculative', 'per_day', 'answer_tokens', 'price', 'revenue'],
  compare: ['params', 'active', 'tokens', 'count'],
}

export type Words = (readonly [string, string])[]

/** The fields that count, in order. Those that are empty are the planner's own defaults. */
export function wordsOf({ tab, goal, fields, devices }: Question): Words {
  const names = ASKED[tab === 'train' ? goal : tab]
  const words: Words = names.flatMap((name) => {
    const value = fields[name]?.trim()
    return !value || (name === 'params' && names.includes('model') && fields.model) ? [] : [[name, value] as const]
  })
  return tab === 'compare' ? [...words, ...devices.map((device) => ['device', device] as const)] : words
}

export const searchOf = (words: Words): string => new URLSearchParams(words.map(([name, value]) => [name, value])).toString()

export const hashOf = (question: Question): string => `#/plan/${question.tab}?${searchOf(wordsOf(question))}`

const MOST_LETTERS = 100

/** The question of an address; what it does not say stays as it was. */
export function questionOf(hash: string, before: Question): Question {
  const [, tab, search] = /^#\/plan(?:\/(\w+))?(?:\?(.*))?$/.exec(hash) ?? []
  const known = TABS.find((one) => one === tab) ?? before.tab
  if (search === undefined) return { ...before, tab: known }
  const given = new URLSearchParams(search)
  const goal = GOALS.find((one) => one !== 'count' && given.has(one)) ?? (known === 'train' ? 'count' : before.goal)
  const asked = ASKED[known === 'train' ? goal : known]
  const fields = { ...before.fields }
  for (const name of asked) delete fields[name]
  for (const name of asked) if (given.has(name)) fields[name] = given.get(name)?.slice(0, MOST_LETTERS)
  return { tab: known, goal, fields, devices: known === 'compare' ? given.getAll('device').slice(0, 50) : before.devices }
}

const SAFE = /^[\w./:@%+,-]+$/

/** As it is typed in a POSIX shell. */
const quoted = (value: string): string => (SAFE.test(value) ? value : `'${value.replaceAll("'", String.raw`'\''`)}'`)

/** The command that gives the same answer. */
export function commandOf(question: Question): string {
  const options = wordsOf(question).map(([name, value]) => {
    const option = `--${name.replaceAll('_', '-')}`
    return name === 'speculative' ? option : `${option} ${quoted(value)}`
  })
  return ['feilun plan', question.tab, ...options].join(' ')
}
