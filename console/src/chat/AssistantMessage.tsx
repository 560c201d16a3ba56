import { memo, useState } from 'react'
import type { Message } from '../api/types'
import { useT } from '../i18n'
import { answerAgain } from '../state/answer'
import { getDraft } from '../state/drafts'
import { useLiveText } from '../state/live'
import { lineageHref } from '../state/route'
import { getThread } from '../state/threads'
import { IconButton, IconLink } from '../ui/Button'
import { CopyButton } from '../ui/CopyButton'
import { CompareIcon, CorrectIcon, LineageIcon, RefreshIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'
import { BranchNav, type BranchProps } from './BranchNav'
import { Compare } from './Compare'
import { Correction, correctionDraft, VersionSwitch } from './Correction'
import { FeedbackPanel, Thumbs } from './Feedback'
import { Prose } from './Prose'
import { StatusMark } from './StatusMark'
import { ToolCalls } from './ToolMessage'
import { comparable } from './tree'
import { useFeedback } from './useFeedback'
import { useNear } from './useNear'

interface Props extends BranchProps {
  message: Message
  /** It is being written by a stream of this page. */
  streaming: boolean
  fault: string | undefined
  /** Among the last ones, which are seen first. */
  recent: boolean
}

export const AssistantMessage = memo(function AssistantMessage({ message, streaming, fault, recent, ...branch }: Props) {
  const t = useT()
  const { ref, near } = useNear<HTMLElement>(recent)
  const feedback = useFeedback(branch.threadKey, message)
  const [correcting, setCorrecting] = useState(() => getDraft(correctionDraft(message.id)) !== '')
  const [comparing, setComparing] = useState(false)
  const [panelOpen, setPanelOpen] = useState(false)
  const [showOriginal, setShowOriginal] = useState(false)

  const live = useLiveText(message.id)
  const original = live ?? message.content ?? ''
  const correction = message.feedback?.correction ?? null
  const shown = correction !== null && !showOriginal ? correction : original
  const versions = branch.siblings.split(' ')
  const retry = message.parent_id ? () => answerAgain(branch.threadKey, message.parent_id as string) : undefined

  return (
    <article ref={ref} data-testid="message-assistant" data-status={message.status} aria-busy={streaming} className="turn flex gap-3 py-2">
      <div className="mt-0.5 hidden md:block">
        <Mark className="size-8 rounded-full border border-line bg-raised p-1" turning={streaming} />
      </div>
      <div className="min-w-0 flex-1 md:pt-0.5">
        <h2 className="sr-only">{t.chat.feilunSaid}</h2>
        {correction !== null && !correcting && !comparing && <VersionSwitch original={showOriginal} onSwitch={setShowOriginal} />}
        {correcting ? (
          <Correction message={message} feedback={feedback} onClose={() => setCorrecting(false)} onSaved={() => setShowOriginal(false)} />
        ) : comparing ? (
          <Compare threadKey={branch.threadKey} ids={versions} onClose={() => setComparing(false)} />
        ) : (
          <>
            {shown && <Prose text={shown} near={near} />}
            {message.tool_calls && <ToolCalls calls={message.tool_calls} />}
            {streaming && !shown && <Reading />}
          </>
        )}
        {!streaming && !comparing && <AnswerStatus message={message} fault={fault} onRetry={retry} />}
        {!streaming && !correcting && !comparing && message.status !== 'generating' && (
          <div className="actions mt-2 -ml-1.5 flex flex-wrap items-center">
            <BranchNav {...branch} />
            {comparable(getThread(branch.threadKey).messages, versions).length > 1 && (
              <IconButton label={t.compare.open} onClick={() => setComparing(true)} data-testid="compare-open">
                <CompareIcon className="size-4.5" />
              </IconButton>
            )}
            <CopyButton label={t.copy} getText={() => shown} testId="copy" />
            <Thumbs feedback={feedback} onRated={(rated) => setPanelOpen(rated)} />
            <IconButton label={t.feedback.correct} onClick={() => setCorrecting(true)} data-testid="correct">
              <CorrectIcon className="size-4.5" />
            </IconButton>
            {retry && (
              <IconButton label={t.chat.regenerate} onClick={retry} data-testid="regenerate">
                <RefreshIcon className="size-4.5" />
              </IconButton>
            )}
            <IconLink label={t.lineage.ofAnswer} href={lineageHref(message.id)} data-testid="lineage-open">
              <LineageIcon className="size-4.5" />
            </IconLink>
            <Origin message={message} />
          </div>
        )}
        {!correcting && !comparing && <FeedbackPanel open={panelOpen} feedback={feedback} onClose={() => setPanelOpen(false)} />}
      </div>
    </article>
  )
})

/** Shown until the first word comes; reading a long prompt takes a while. */
function Reading() {
  const t = useT()
  return (
    <p className="flex items-center gap-2 py-1 text-muted">
      <Mark className="size-4 md:hidden" turning />
      <span className="animate-pulse">{t.chat.thinking}</span>
    </p>
  )
}

function AnswerStatus({ message, fault, onRetry }: { message: Message; fault: string | undefined; onRetry?: () => void }) {
  const { status } = useT().chat
  const why = fault ?? message.error
  if (message.status === 'failed') return <StatusMark tone="danger" text={why ? `${status.failed} ${why}` : status.failed} onRetry={onRetry} />
  if (message.status === 'interrupted') return <StatusMark text={status.interrupted} onRetry={onRetry} />
  if (message.status === 'stopped') return <StatusMark text={status.stopped} onRetry={onRetry} />
  if (message.status === 'generating') return <StatusMark text={status.generating} />
  if (message.finish_reason === 'length') return <StatusMark text={status.length} />
  return null
}

/** Which model wrote it, in small. */
function Origin({ message: { model, usage } }: { message: Message }) {
  const t = useT()
  if (!model) return null
  return (
    <span className="ml-2 truncate text-xs text-muted">
      {model}
      {usage && ` · ${t.chat.tokens(usage.completion_tokens)}`}
    </span>
  )
}
