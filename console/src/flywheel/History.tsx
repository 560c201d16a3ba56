import { useLang, useT } from '../i18n'
import { lineageHref, turnHref } from '../state/route'
import { IconLink } from '../ui/Button'
import { LineageIcon } from '../ui/icons'
import type { Overview, TurnSummary } from './api'
import { Card } from './Card'
import { Tag } from './parts'
import { shortId } from './releases'
import { when } from './when'

/** Which release served since when and why, and the turns, also those that changed nothing. */
export function History({ overview }: { overview: Overview }) {
  const words = useT().flywheel.history
  return (
    <Card title={words.title} testId="history">
      <div className="grid gap-x-8 gap-y-5 md:grid-cols-2">
        <div className="min-w-0">
          <h3 className="mb-1.5 text-sm font-medium text-muted">{words.served}</h3>
          <Releases overview={overview} />
        </div>
        <div className="min-w-0">
          <h3 className="mb-1.5 text-sm font-medium text-muted">{words.turns}</h3>
          {overview.turns.length === 0 && <p className="text-sm text-muted">{words.noTurns}</p>}
          <ul>
            {overview.turns.map((turn) => (
              <TurnRow key={turn.id} turn={turn} />
            ))}
          </ul>
        </div>
      </div>
    </Card>
  )
}

function Lineage({ of, label }: { of: string; label: string }) {
  return (
    <IconLink label={label} href={lineageHref(of)} className="-my-1.5 ml-auto" data-testid="lineage-open">
      <LineageIcon className="size-4.5" />
    </IconLink>
  )
}

function Releases({ overview: { history, model, release } }: { overview: Overview }) {
  const t = useT()
  const words = t.flywheel.history
  const lang = useLang()
  if (history.length === 0) return <p className="text-sm text-muted">{words.noServed}</p>
  const now = history.findIndex((row) => row.model === model && row.release === release)
  return (
    <ol>
      {history.map((row, at) => (
        <li key={`${row.since_ms} ${row.release}`} data-testid="served" className="border-t border-line py-2 text-sm first:border-0">
          <p className="flex flex-wrap items-center gap-x-2 gap-y-1">
            <code className="font-mono text-xs" title={row.release}>{shortId(row.release)}</code>
            {row.model !== model && <span className="text-muted">{row.model}</span>}
            {at === now && <Tag tone="good">{words.now}</Tag>}
            <Lineage of={row.release} label={t.lineage.ofRelease} />
          </p>
          <p className="mt-0.5 text-xs text-muted">
            {when(row.since_ms, lang)} ·{' '}
            {row.turn ? (
              <a href={turnHref(row.turn)} className="text-accent underline underline-offset-2">
                {words.reasons[row.reason] ?? row.reason}
              </a>
            ) : (
              (words.reasons[row.reason] ?? row.reason)
            )}
          </p>
        </li>
      ))}
    </ol>
  )
}

function TurnRow({ turn: { id, created, state, passed, discarded } }: { turn: TurnSummary }) {
  const t = useT()
  const words = t.flywheel.history
  const lang = useLang()
  const ended = state === 'finished' && passed !== null && !discarded
  return (
    <li className="border-t border-line py-2 text-sm first:border-0">
      <div className="flex items-center">
        <a href={turnHref(id)} data-testid="turn-link" className="rounded-md text-accent underline underline-offset-2">
          {when(created, lang)}
        </a>
        {/* Others may have made nothing. */}
        {state === 'finished' && !discarded && <Lineage of={id} label={t.lineage.ofTurn} />}
      </div>
      <span className="mt-0.5 inline-block">
        <Tag tone={ended && passed ? 'good' : state === 'failed' ? 'bad' : 'plain'}>{ended ? (passed ? words.passed : words.refused) : discarded ? words.discarded : t.flywheel.turn.states[state]}</Tag>
      </span>
    </li>
  )
}
