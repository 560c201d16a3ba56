import { memo } from 'react'
import type { Message, ToolCall } from '../api/types'
import { useT } from '../i18n'

/** What a tool answered, in a conversation that a program held through the API. */
export const ToolMessage = memo(function ToolMessage({ message }: { message: Message }) {
  const t = useT()
  return <Aside summary={t.chat.toolResult} message={message} />
})

/** An instruction in mid-conversation; one at the beginning is a parameter of the answers and no message. */
export const SystemMessage = memo(function SystemMessage({ message }: { message: Message }) {
  const t = useT()
  return <Aside summary={t.chat.systemMessage} message={message} />
})

function Aside({ summary, message }: { summary: string; message: Message }) {
  return (
    <article className="turn py-2 md:pl-11">
      <Folded summary={summary} text={message.content ?? ''} />
    </article>
  )
}

export function ToolCalls({ calls }: { calls: ToolCall[] }) {
  const t = useT()
  return calls.map((call) => <Folded key={call.id} summary={`${t.chat.toolCall}: ${call.function.name}`} text={call.function.arguments} />)
}

function Folded({ summary, text }: { summary: string; text: string }) {
  return (
    <details className="my-1 rounded-xl border border-line bg-panel text-sm">
      <summary className="rounded-xl px-3 py-2 text-muted">{summary}</summary>
      <pre className="overflow-x-auto px-3 pb-3 font-mono text-xs whitespace-pre-wrap">{text}</pre>
    </details>
  )
}
