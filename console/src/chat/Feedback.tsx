import { useId, useState } from 'react'
import { useT } from '../i18n'
import { Button, IconButton } from '../ui/Button'
import { CheckIcon, CloseIcon, ThumbDownIcon, ThumbUpIcon } from '../ui/icons'
import { TextArea } from '../ui/TextArea'
import { rated, type Feedback } from './useFeedback'

const GOOD_TAGS = ['correct', 'clear', 'complete', 'well_written'] as const
const BAD_TAGS = ['wrong_fact', 'not_following', 'incomplete', 'too_long', 'language', 'unsafe', 'format', 'other'] as const

interface ThumbsProps {
  feedback: Feedback
  /** Called after a click, with whether there is a rating now. */
  onRated: (rated: boolean) => void
}

/** A second click takes the rating back. Reasons and comment go with the rating they were given for. */
export function Thumbs({ feedback, onRated }: ThumbsProps) {
  const { feedback: words } = useT()
  const { rating } = feedback.opinion
  const rate = (value: 1 | -1) => {
    const next = rating === value ? null : value
    void feedback.submit(rated(feedback.opinion, next))
    onRated(next !== null)
  }
  return (
    <>
      <IconButton label={words.good} aria-pressed={rating === 1} onClick={() => rate(1)} data-testid="thumb-up">
        <ThumbUpIcon className="size-4.5" />
      </IconButton>
      <IconButton label={words.bad} aria-pressed={rating === -1} onClick={() => rate(-1)} data-testid="thumb-down">
        <ThumbDownIcon className="size-4.5" />
      </IconButton>
    </>
  )
}

interface PanelProps {
  open: boolean
  feedback: Feedback
  onClose: () => void
}

/** After a thumb: why, in a click or in words. A failed post keeps it open with all that was typed. */
export function FeedbackPanel({ open, feedback, onClose }: PanelProps) {
  const { opinion } = feedback
  if (open && opinion.rating !== null) return <Reasons key={opinion.rating} feedback={feedback} onClose={onClose} />
  return <SavedState feedback={feedback} />
}

function Reasons({ feedback, onClose }: Omit<PanelProps, 'open'>) {
  const t = useT()
  const words = t.feedback
  const titleId = useId()
  const { opinion } = feedback
  const [tags, setTags] = useState<string[]>(opinion.tags)
  const [comment, setComment] = useState(opinion.comment ?? '')
  const good = opinion.rating === 1
  const toggle = (tag: string) => setTags(tags.includes(tag) ? tags.filter((other) => other !== tag) : [...tags, tag])
  const submit = async () => {
    if (await feedback.submit({ tags, comment: comment.trim() || null })) onClose()
  }
  return (
    <div role="group" aria-labelledby={titleId} data-testid="feedback-panel" className="appear mt-2 rounded-2xl border border-line bg-raised p-4 shadow-low">
      <div className="flex items-center justify-between">
        <p id={titleId} className="text-sm font-medium">
          {good ? words.whyGood : words.whyBad}
        </p>
        <IconButton label={t.close} onClick={onClose}>
          <CloseIcon className="size-4" />
        </IconButton>
      </div>
      <div className="mt-2 flex flex-wrap gap-2">
        {(good ? GOOD_TAGS : BAD_TAGS).map((tag) => (
          <button
            key={tag}
            type="button"
            data-testid="feedback-tag"
            data-tag={tag}
            aria-pressed={tags.includes(tag)}
            onClick={() => toggle(tag)}
            className="min-h-8 rounded-full border border-line px-3 text-sm transition-colors hover:bg-hover aria-pressed:border-accent aria-pressed:bg-soft aria-pressed:text-accent"
          >
            {words.tags[tag]}
          </button>
        ))}
      </div>
      <TextArea
        data-testid="feedback-comment"
        aria-label={words.comment}
        placeholder={words.comment}
        value={comment}
        onChange={(event) => setComment(event.target.value)}
        rows={2}
        className="mt-3 block max-h-48 w-full resize-none rounded-xl border border-line bg-canvas px-3 py-2 text-sm"
      />
      <div className="mt-3 flex items-center justify-end gap-3">
        <SavedState feedback={feedback} />
        <Button tone="accent" onClick={() => void submit()} disabled={feedback.phase === 'saving'} data-testid="feedback-submit">
          {words.submit}
        </Button>
      </div>
    </div>
  )
}

/** "Saved" is said only after the server has said it. */
export function SavedState({ feedback: { phase, reason, retry } }: { feedback: Feedback }) {
  const t = useT()
  if (phase === 'idle') return null
  if (phase === 'saving') return <p className="text-xs text-muted">{t.saving}</p>
  if (phase === 'saved') {
    return (
      <p data-testid="feedback-saved" className="flex items-center gap-1 text-xs text-muted">
        <CheckIcon className="size-4 text-accent" />
        {t.feedback.thanks}
      </p>
    )
  }
  return (
    <p role="alert" data-testid="feedback-failed" className="flex flex-wrap items-center gap-x-2 text-xs text-danger">
      {t.feedback.failed} {reason}
      <button type="button" className="font-semibold underline underline-offset-2" onClick={() => void retry()}>
        {t.retry}
      </button>
    </p>
  )
}
