import { useLang } from '../i18n'
import type { TrainPlan } from './api'

/** What the reader of a plan has to know besides its figures. */
export function Notes({ notes }: { notes: TrainPlan['notes'] }) {
  const lang = useLang()
  if (notes.length === 0) return null
  return (
    <ul className="flex flex-col gap-1 border-t border-line pt-3 text-sm text-muted" data-testid="plan-notes">
      {notes.map((note) => (
        <li key={note.en}>{note[lang]}</li>
      ))}
    </ul>
  )
}
