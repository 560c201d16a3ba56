import { useId } from 'react'
import { useT } from '../i18n'
import { Button } from '../ui/Button'
import { CheckIcon } from '../ui/icons'
import { isComposing, TextArea } from '../ui/TextArea'
import type { Item } from './api'
import { Text } from './parts'
import { accept, endEdit, setDraft, type Draft } from './store'

/** The question and the answer as they would be learnt, to be rewritten. Ctrl+Enter accepts, Escape leaves them as they were. */
export function ReviewEdit({ item, draft }: { item: Item; draft: Draft }) {
  const t = useT()
  const words = t.flywheel.review
  const questionId = useId()
  const answerId = useId()
  const onKeyDown = (event: React.KeyboardEvent) => {
    if (isComposing(event)) return
    if (event.key === 'Enter' && (event.ctrlKey || event.metaKey)) accept(item)
    else if (event.key === 'Escape') endEdit(item.id)
    else return
    event.preventDefault()
  }
  const look = 'block w-full resize-none rounded-xl border border-line-strong bg-canvas px-3 py-2 text-sm leading-relaxed'
  return (
    <div className="flex flex-col gap-3">
      <Text label={words.given}>{item.given}</Text>
      <div>
        <label htmlFor={questionId} className="mb-1 block text-xs font-medium text-muted">
          {words.question}
        </label>
        <TextArea
          id={questionId} data-testid="edit-question" value={draft.question} rows={1} onKeyDown={onKeyDown} className={`${look} max-h-48`}
          onChange={(event) => setDraft(item.id, { ...draft, question: event.target.value })}
        />
      </div>
      <div>
        <label htmlFor={answerId} className="mb-1 block text-xs font-medium text-muted">
          {words.learnt}
        </label>
        <TextArea
          id={answerId} data-testid="edit-answer" takesFocus value={draft.answer} rows={2} onKeyDown={onKeyDown} className={`${look} max-h-[40dvh]`}
          aria-describedby={item.answer === null ? `${answerId}-hint` : undefined}
          onChange={(event) => setDraft(item.id, { ...draft, answer: event.target.value })}
        />
        {item.answer === null && (
          <p id={`${answerId}-hint`} className="mt-1 text-xs text-muted">
            {words.write}
          </p>
        )}
      </div>
      <div className="flex flex-wrap items-center gap-2">
        <Button tone="accent" onClick={() => accept(item)} disabled={!draft.answer.trim()} data-testid="edit-accept">
          <CheckIcon className="size-4" />
          {words.acceptEdit}
          <span className="text-xs font-normal max-md:hidden">Ctrl+Enter</span>
        </Button>
        <Button tone="quiet" onClick={() => endEdit(item.id)}>
          {t.cancel}
        </Button>
      </div>
    </div>
  )
}
