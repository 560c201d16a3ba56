import { ApiError, request } from './http'
import { readEvents } from './sse'
import type { Settings, ToolCall } from './types'

export interface WireMessage {
  role: 'system' | 'user' | 'assistant' | 'tool'
  content: string | null
  tool_calls?: ToolCall[]
  tool_call_id?: string
}

export interface CompletionRequest {
  messages: WireMessage[]
  settings: Settings
  conversationId?: string
  /** The last of `messages` that the server has already stored. */
  parentId?: string
}

/** One step of an answer. The first one names the stored messages. */
export interface CompletionEvent {
  conversationId: string
  messageId: string
  parentId?: string
  text: string
  finishReason: string | null
}

interface Chunk {
  id: string
  conversation_id: string
  parent_id?: string
  choices: { delta: { content?: string | null }; finish_reason: string | null }[]
  error?: { message: string; code: string | null }
}

/** Asks for an answer and yields it as it comes. A fault told in mid-stream is thrown like any other. */
export async function* streamCompletion(
  { messages, settings, conversationId, parentId }: CompletionRequest,
  signal: AbortSignal,
): AsyncGenerator<CompletionEvent> {
  const { system, ...sampling } = settings
  const response = await request('/v1/chat/completions', {
    method: 'POST',
    signal,
    body: {
      ...sampling,
      stream: true,
      messages: system?.trim() ? [{ role: 'system', content: system }, ...messages] : messages,
      metadata: {
        ...(conversationId && { conversation_id: conversationId }),
        ...(parentId && { parent_id: parentId }),
      },
    },
  })
  if (!response.body) throw new ApiError(response.status, 'empty response')
  for await (const data of readEvents(response.body)) {
    const chunk = JSON.parse(data) as Chunk
    if (chunk.error) throw new ApiError(response.status, chunk.error.message, chunk.error.code)
    const choice = chunk.choices[0]
    if (!choice) continue
    yield {
      conversationId: chunk.conversation_id,
      messageId: chunk.id,
      parentId: chunk.parent_id,
      text: choice.delta.content ?? '',
      finishReason: choice.finish_reason,
    }
  }
}
