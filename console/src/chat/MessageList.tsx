import { useEffect, useMemo, useRef } from 'react'
import { useT } from '../i18n'
import { answerAgain } from '../state/answer'
import { useThread } from '../state/threads'
import { IconButton } from '../ui/Button'
import { ArrowDownIcon } from '../ui/icons'
import { AssistantMessage } from './AssistantMessage'
import { StatusMark } from './StatusMark'
import { SystemMessage, ToolMessage } from './ToolMessage'
import { pathTo, placesOf } from './tree'
import { UserMessage } from './UserMessage'
import { useStickToBottom } from './useStickToBottom'

/** How many of the last messages are rendered in full at once. */
const RECENT = 4

/** The path in view. Messages are memoised, so that a growing answer repaints only itself. */
export function MessageList({ threadKey }: { threadKey: string }) {
  const t = useT()
  const { messages, leaf, streaming, faults } = useThread(threadKey)
  const places = useMemo(() => placesOf(messages, pathTo(messages, leaf)), [messages, leaf])
  const { scroller, content, away, toBottom } = useStickToBottom(threadKey)

  // A question that was just sent is brought into view, wherever one was.
  const wasStreaming = useRef(streaming)
  useEffect(() => {
    if (streaming && !wasStreaming.current) toBottom()
    wasStreaming.current = streaming
  }, [streaming, toBottom])

  const last = places.at(-1)?.message
  return (
    <div className="relative min-h-0 flex-1">
      <div ref={scroller} className="h-full overflow-y-auto overscroll-contain" data-scroller tabIndex={0} role="region" aria-label={t.chat.title}>
        <div ref={content} className="mx-auto flex max-w-196 flex-col px-4 pt-4 pb-6 md:px-6">
          {places.map(({ message, siblings, index }, at) => {
            const branch = { threadKey, siblings: siblings.join(' '), index }
            if (message.role === 'user') return <UserMessage key={message.id} message={message} {...branch} />
            if (message.role === 'tool') return <ToolMessage key={message.id} message={message} />
            if (message.role === 'system') return <SystemMessage key={message.id} message={message} />
            return <AssistantMessage key={message.id} message={message} {...branch} streaming={message.id === streaming} fault={faults[message.id]} recent={at >= places.length - RECENT} />
          })}
          {last?.role === 'user' && !streaming && (
            <StatusMark text={faults[last.id] ?? t.chat.status.unanswered} onRetry={() => answerAgain(threadKey, last.id)} />
          )}
        </div>
      </div>
      <div className="pointer-events-none absolute inset-x-0 bottom-0 h-5 bg-linear-to-t from-canvas to-transparent" />
      {away && (
        <IconButton label={t.chat.toBottom} onClick={toBottom} className="appear absolute bottom-3 left-1/2 size-9 -translate-x-1/2 rounded-full! border border-line bg-raised shadow-float">
          <ArrowDownIcon />
        </IconButton>
      )}
    </div>
  )
}
