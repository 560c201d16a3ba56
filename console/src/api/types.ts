/** The server's shapes, as they travel. */

export type Role = 'system' | 'user' | 'assistant' | 'tool'
export type MessageStatus = 'complete' | 'generating' | 'stopped' | 'interrupted' | 'failed'

export interface ToolCall {
  id: string
  type: 'function'
  function: { name: string; arguments: string }
}

export interface Opinion {
  rating: 1 | -1 | null
  tags: string[]
  comment: string | null
  correction: string | null
}

export interface Message {
  id: string
  parent_id: string | null
  role: Role
  content: string | null
  tool_calls: ToolCall[] | null
  tool_call_id?: string | null
  status: MessageStatus
  finish_reason: string | null
  model: string | null
  /** Of an answer: what it was asked with; the system prompt is one of these, not a message. */
  params?: { system?: string }
  /** Why an answer failed, in English. */
  error?: string | null
  usage: { prompt_tokens: number; completion_tokens: number } | null
  created_ms: number
  feedback: Opinion | null
}

/** What one conversation is asked with. Absent keys mean the server's default. */
export interface Settings {
  model?: string
  system?: string
  temperature?: number
  top_p?: number
  max_tokens?: number
  seed?: number
}

export interface ConversationRow {
  id: string
  title: string
  pinned: boolean
  created_ms: number
  updated_ms: number
  snippet?: string | null
}

export interface Conversation extends ConversationRow {
  leaf_id: string | null
  settings: Settings
  messages: Message[]
}

export interface ConversationPage {
  data: ConversationRow[]
  next: string | null
}

export interface Status {
  version: string
  workspace: string
  default_model: string
  ready: boolean
  reason: string | null
  conversations: number
}

export interface Model {
  id: string
  feilun: {
    default: boolean
    kind: string
    source: string
    context_length: number | null
    state: 'ready' | 'loading' | 'cold' | 'error'
    error: string | null
    license: string | null
  }
}
