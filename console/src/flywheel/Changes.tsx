import { useState } from 'react'
import { useT } from '../i18n'
import { type Changed, type Part, sometimes } from './api'
import { Choices } from './Choices'
import { Tag, Text } from './parts'

const PARTS = ['all', 'target', 'heldout', 'zh', 'en', 'safety'] as const

/** The answers of the two releases side by side, where the outcome changed or a person had corrected it. */
export function Changes({ changed }: { changed: Changed[] }) {
  const words = useT().flywheel.turn
  const [part, setPart] = useState<'all' | Part>('all')
  const of = (which: 'all' | Part) => changed.filter((row) => which === 'all' || row.part === which)
  const counts = Object.fromEntries(PARTS.map((which) => [which, of(which).length]))
  const shown = PARTS.filter((which) => which !== 'heldout' || of(which).length > 0)
  return (
    <div className="mt-5" data-testid="changes">
      <div className="flex flex-wrap items-center justify-between gap-2">
        <h3 className="text-sm font-semibold">{words.changed}</h3>
        <Choices testId="changes-part" label={words.partsLabel} choices={shown} chosen={part} names={words.parts} counts={counts} onChoose={setPart} />
      </div>
      <p className="mt-1 text-xs text-muted">{words.changedHint}</p>
      {of(part).length === 0 && <p className="py-3 text-sm text-muted">{words.none}</p>}
      <ul className="mt-3 flex max-h-[min(36rem,75dvh)] flex-col gap-2 overflow-y-auto">
        {of(part).map((row) => (
          <Row key={`${row.part} ${row.id}`} row={row} />
        ))}
      </ul>
    </div>
  )
}

function Row({ row }: { row: Changed }) {
  const words = useT().flywheel.turn
  return (
    <li data-testid="changed" data-part={row.part} className="rounded-xl border border-line p-3">
      <p className="text-sm font-medium break-words whitespace-pre-wrap">{row.question}</p>
      <p className="mt-0.5 mb-2 text-xs text-muted break-words">
        {words.parts[row.part]}
        {row.wanted !== null && ` · ${words.wanted}: ${row.wanted}`}
      </p>
      <div className="grid gap-2 md:grid-cols-2">
        <Text label={words.before} beside={<Passed passed={row.passed_before} times={sometimes(row) ? words.times(row.times_before ?? 0, row.asked_before) : undefined} />}>{row.before || words.noText}</Text>
        <Text label={words.after} beside={<Passed passed={row.passed_after} />}>{row.after || words.noText}</Text>
      </div>
    </li>
  )
}

function Passed({ passed, times }: { passed: boolean; times?: string | undefined }) {
  const words = useT().flywheel.turn
  return (
    <Tag tone={passed ? 'good' : 'bad'}>
      {passed ? `✓ ${words.right}` : `✗ ${words.wrong}`}
      {times && ` · ${times}`}
    </Tag>
  )
}
