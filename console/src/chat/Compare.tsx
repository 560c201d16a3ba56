import { useEffect, useId, useRef } from 'react'
import { postFeedback } from '../api/console'
import type { Message } from '../api/types'
import { useT, t as words } from '../i18n'
import { toast } from '../state/notices'
import { patchMessage, showBranch, useThread } from '../state/threads'
import { Button, IconButton } from '../ui/Button'
import { CheckIcon, CloseIcon } from '../ui/icons'
import { SavedState } from './Feedback'
import { Prose } from './Prose'
import { comparable } from './tree'
import { rated, useFeedback } from './useFeedback'

interface Props {
  threadKey: string
  /** Of all versions of the answer, the oldest first. */
  ids: readonly string[]
  onClose: () => void
}

/** The versions of an answer side by side, without the names of their models: which one is better? */
export function Compare({ threadKey, ids, onClose }: Props) {
  const t = useT()
  const titleId = useId()
  const panel = useRef<HTMLElement>(null)
  const { messages } = useThread(threadKey)
  const versions = comparable(messages, ids)

  // The button that opened it is gone: who uses the keyboard goes on from here.
  useEffect(() => panel.current?.focus(), [])

  /** What is better now is not what was better before. */
  const chosen = (id: string) => {
    for (const other of versions) {
      if (other.id !== id && other.feedback?.rating === 1) void withdraw(threadKey, other.id)
    }
    showBranch(threadKey, id)
    onClose()
  }
  return (
    <section ref={panel} tabIndex={-1} aria-labelledby={titleId} data-testid="compare" className="appear rounded-2xl border border-accent bg-raised p-4 shadow-low">
      <div className="flex items-start justify-between gap-2">
        <div>
          <h3 id={titleId} className="text-sm font-medium">
            {t.compare.title}
          </h3>
          <p className="mt-0.5 text-xs text-muted">{t.compare.hint}</p>
        </div>
        <IconButton label={t.close} onClick={onClose} data-testid="compare-close">
          <CloseIcon className="size-4" />
        </IconButton>
      </div>
      <div className="mt-3 grid gap-3 md:grid-cols-2">
        {versions.map((message, at) => (
          <Version key={message.id} threadKey={threadKey} message={message} letter={String.fromCharCode(65 + at)} onChosen={() => chosen(message.id)} />
        ))}
      </div>
    </section>
  )
}

interface VersionProps {
  threadKey: string
  message: Message
  letter: string
  onChosen: () => void
}

function Version({ threadKey, message, letter, onChosen }: VersionProps) {
  const t = useT()
  const headingId = useId()
  const feedback = useFeedback(threadKey, message)
  const choose = async () => {
    if (await feedback.submit(rated(feedback.opinion, 1))) onChosen()
  }
  return (
    <article aria-labelledby={headingId} data-testid="compare-version" className="flex min-w-0 flex-col rounded-xl border border-line bg-canvas p-3">
      <h4 id={headingId} className="mb-1 text-xs font-medium text-muted">
        {t.compare.answer(letter)}
      </h4>
      <div className="flex-1">
        <Prose text={message.content ?? ''} near />
      </div>
      <div className="mt-3 flex flex-wrap items-center justify-end gap-2">
        <SavedState feedback={feedback} />
        <Button tone="accent" onClick={() => void choose()} disabled={feedback.phase === 'saving'} aria-pressed={feedback.opinion.rating === 1} data-testid="compare-choose">
          {feedback.opinion.rating === 1 && <CheckIcon className="size-4" />}
          {t.compare.better(letter)}
        </Button>
      </div>
    </article>
  )
}

async function withdraw(threadKey: string, id: string): Promise<void> {
  try {
    const { rating, tags, comment, correction } = await postFeedback(id, rated({ rating: 1 }, null), crypto.randomUUID())
    patchMessage(threadKey, id, { feedback: { rating, tags, comment, correction } })
  } catch {
    toast(words().feedback.failed, { tone: 'error' })
  }
}
