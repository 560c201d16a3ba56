import { request, requestJson } from './http'
import type { Conversation, ConversationPage, Model, Opinion, Settings, Status } from './types'

const path = (id: string) => `/api/conversations/${encodeURIComponent(id)}`

export const getStatus = () => requestJson<Status>('/api/status')

export async function getModels(): Promise<Model[]> {
  return (await requestJson<{ data: Model[] }>('/v1/models')).data
}

export function listConversations(query: string, before: string | null, signal?: AbortSignal): Promise<ConversationPage> {
  const search = new URLSearchParams({ limit: '50' })
  if (query) search.set('q', query)
  if (before) search.set('before', before)
  return requestJson<ConversationPage>(`/api/conversations?${search}`, { signal })
}

export const getConversation = (id: string) => requestJson<Conversation>(path(id))

export interface ConversationPatch {
  title?: string
  pinned?: boolean
  leaf_id?: string
  settings?: Settings
}

export const patchConversation = (id: string, patch: ConversationPatch) =>
  requestJson<Omit<Conversation, 'messages'>>(path(id), { method: 'PATCH', body: patch })

export const deleteConversation = (id: string) => request(path(id), { method: 'DELETE' })

export const restoreConversation = (id: string) => request(`${path(id)}/restore`, { method: 'POST' })

export type ExportFormat = 'jsonl' | 'markdown'

export const exportUrl = (id: string, format: ExportFormat) => `${path(id)}/export?format=${format}`

export const EXPORT_ALL_URL = '/api/export'

/** Fields left out keep their stored value. The key makes a repeated post harmless. */
export const postFeedback = (messageId: string, opinion: Partial<Opinion>, idempotencyKey: string) =>
  requestJson<Opinion>('/v1/feedback', {
    method: 'POST',
    body: { message_id: messageId, ...opinion, idempotency_key: idempotencyKey },
  })
