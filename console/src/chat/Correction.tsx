import { useId, useState } from 'react'
import type { Message } from '../api/types'
import { useT } from '../i18n'
import { getDraft, setDraft } from '../state/drafts'
import { Button } from '../ui/Button'
import { CorrectIcon } from '../ui/icons'
import { TextArea } from '../ui/TextArea'
import { SavedState } from './Feedback'
import type { Feedback } from './useFeedback'

export const correctionDraft = (messageId: string) => `correction-${messageId}`

interface Props {
  message: Message
  feedback: Feedback
  onClose: () => void
  onSaved: () => void
}

/** The answer, to be rewritten in place. What is typed survives a reload and a failed save. */
export function Correction({ message, feedback, onClose, onSaved }: Props) {
  const t = useT()
  const words = t.feedback
  const hintId = useId()
  const draft = correctionDraft(message.id)
  const saved = message.feedback?.correction ?? null
  const [text, setText] = useState(() => getDraft(draft) || (saved ?? message.content ?? ''))

  const close = () => {
    setDraft(draft, '')
    onClose()
  }
  const save = async (correction: string | null) => {
    if (!(await feedback.submit({ correction }))) return
    close()
    onSaved()
  }
  return (
    <div className="rounded-2xl border border-accent bg-raised p-4 shadow-low">
      <p className="flex items-center gap-2 text-sm font-medium">
        <CorrectIcon className="size-4.5 text-accent" />
        {words.correct}
      </p>
      <p id={hintId} className="mt-0.5 text-xs text-muted">
        {words.correctHint}
      </p>
      <TextArea
        takesFocus
        data-testid="correct-text"
        aria-label={words.correctLabel}
        aria-describedby={hintId}
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          setDraft(draft, event.target.value)
        }}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || event.nativeEvent.isComposing) return
          event.preventDefault()
          close()
        }}
        className="mt-3 block max-h-[60dvh] min-h-28 w-full resize-none rounded-xl border border-line bg-canvas px-3 py-2.5 leading-relaxed"
      />
      <div className="mt-3 flex flex-wrap items-center justify-end gap-2">
        <div className="mr-auto">{feedback.phase !== 'saved' && <SavedState feedback={feedback} />}</div>
        {saved !== null && (
          <Button tone="quiet" className="text-danger" onClick={() => void save(null)}>
            {words.withdraw}
          </Button>
        )}
        <Button tone="quiet" onClick={close}>
          {t.cancel}
        </Button>
        <Button tone="accent" onClick={() => void save(text)} disabled={!text.trim() || feedback.phase === 'saving'} data-testid="correct-save">
          {words.correctSave}
        </Button>
      </div>
    </div>
  )
}

/** Above a corrected answer: which of the two one sees. */
export function VersionSwitch({ original, onSwitch }: { original: boolean; onSwitch: (original: boolean) => void }) {
  const { feedback: words } = useT()
  const look = 'rounded-md px-2 py-0.5 text-xs font-medium text-muted aria-pressed:bg-raised aria-pressed:text-accent aria-pressed:shadow-low'
  return (
    <div role="group" aria-label={words.version} data-testid="version-switch" className="mb-2 flex w-fit gap-0.5 rounded-lg bg-hover p-0.5">
      <button type="button" className={look} aria-pressed={!original} onClick={() => onSwitch(false)} data-testid="version-corrected">
        {words.corrected}
      </button>
      <button type="button" className={look} aria-pressed={original} onClick={() => onSwitch(true)} data-testid="version-original">
        {words.original}
      </button>
    </div>
  )
}
