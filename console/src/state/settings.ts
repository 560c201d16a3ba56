import type { Message, Settings } from '../api/types'
import { pathTo } from '../chat/tree'

interface Chat {
  settings: Settings
  messages: readonly Message[]
  leaf: string | null
}

/**
 * What a conversation is asked with: its own settings. One that was begun elsewhere has none, so its model and its
 * system prompt are those of the last answer in view; answers that a program brought along have no model and say nothing.
 */
export function inForce({ settings, messages, leaf }: Chat): Settings {
  const last = pathTo(messages, leaf).findLast(({ role, model }) => role === 'assistant' && model)
  const model = settings.model ?? last?.model
  // An empty one is a choice too: to have none any more.
  const system = settings.system ?? last?.params?.system
  return { ...settings, ...(model && { model }), ...(system !== undefined && { system }) }
}

export function withoutUnset(settings: Settings): Settings {
  return Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined && value !== ''))
}
