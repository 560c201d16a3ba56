import { useEffect, useState } from 'react'
import { useLang, useT } from '../i18n'
import { toast } from '../state/notices'
import { reasonOf } from '../state/server'
import { Button } from '../ui/Button'
import { AlertIcon } from '../ui/icons'
import type { Overview } from './api'
import { endCanary, getCanary, weight, type Canary, type Tally } from './canary'
import { Card } from './Card'
import { shortId } from './releases'
import { refreshOverview } from './store'
import { when } from './when'

const LOOK_MS = 5000

/** How the canary does, and the two ways to decide before the votes do. Nothing is shown while there is none. */
export function CanaryCard({ overview }: { overview: Overview }) {
  const t = useT()
  const words = t.canary
  const lang = useLang()
  const [canary, setCanary] = useState<Canary | null>(null)
  const [ending, setEnding] = useState(false)
  const newest = overview.history.find(({ model }) => model === overview.model)?.since_ms

  // Asked for when the history has changed, and again while there is one.
  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    let gone = false
    let ran = false
    const look = async () => {
      const found = await getCanary().catch(() => undefined)
      if (gone) return
      if (found !== undefined) setCanary(found)
      if (ran && found === null) void refreshOverview()
      ran ||= Boolean(found)
      if (found !== null) timer = setTimeout(() => void look(), LOOK_MS)
    }
    void look()
    return () => {
      gone = true
      clearTimeout(timer)
    }
  }, [newest])

  const end = async (how: 'promote' | 'withdraw') => {
    setEnding(true)
    try {
      const release = shortId((await endCanary(how)).release)
      toast(how === 'promote' ? words.promoted(release) : words.withdrawn(release))
    } catch (error) {
      toast(reasonOf(error, t.errors.unreachable), { tone: 'error' })
    }
    setEnding(false)
    setCanary(await getCanary().catch(() => null))
    void refreshOverview()
  }
  if (!canary) return null
  const { votes, evidence, state } = canary
  const percent = new Intl.NumberFormat(lang, { style: 'percent', maximumFractionDigits: 1 }).format(canary.share)
  return (
    <Card title={words.title} testId="canary">
      <p className="text-sm">{words.about(percent, when(canary.since_ms, lang))}</p>
      {state !== 'ready' && (
        <p role="status" className="mt-2 flex items-start gap-1.5 text-sm text-muted" data-testid="canary-state">
          <AlertIcon className="size-4.5 shrink-0" />
          {words.states[state]} {canary.error}
        </p>
      )}
      <div className="mt-3 flex flex-wrap gap-x-10 gap-y-4">
        <div className="min-w-0">
          <table className="text-sm">
            <thead>
              <tr className="text-left text-xs text-muted">
                <th className="pr-6 pb-1 font-medium">{words.arm}</th>
                <th className="pr-6 pb-1 font-medium">{words.up}</th>
                <th className="pb-1 font-medium">{words.down}</th>
              </tr>
            </thead>
            <tbody>
              <Arm name={words.arms.canary} release={canary.release} tally={votes.canary} testId="canary-own" />
              <Arm name={words.arms.present} release={canary.present} tally={votes.present} testId="canary-present" />
            </tbody>
          </table>
          <p className="mt-2 text-xs text-muted" data-testid="canary-votes">
            {words.votes(votes.canary.up + votes.canary.down, canary.votes_needed)} {votes.capped > 0 && words.capped(votes.capped)}
          </p>
          {(canary.waits_for === 'present_votes' || canary.waits_for === 'share') && (
            <p className="mt-1 text-xs" data-testid="canary-waits">
              {words.waits[canary.waits_for]}
            </p>
          )}
        </div>
        <div className="flex max-w-xs min-w-48 flex-1 flex-col gap-2">
          <Evidence name={words.evidence.worse} value={evidence.worse} needed={evidence.needed} />
          <Evidence name={words.evidence.better} value={evidence.better} needed={evidence.needed} />
          <p className="text-xs text-muted">{words.evidenceHint}</p>
        </div>
      </div>
      <div className="mt-4 flex flex-wrap gap-2 border-t border-line pt-4">
        <Button tone="accent" disabled={ending} onClick={() => void end('promote')} data-testid="canary-promote">
          {words.promote}
        </Button>
        <Button disabled={ending} onClick={() => void end('withdraw')} data-testid="canary-withdraw">
          {words.withdraw}
        </Button>
      </div>
    </Card>
  )
}

function Arm({ name, release, tally, testId }: { name: string; release: string; tally: Tally; testId: string }) {
  return (
    <tr data-testid={testId}>
      <th scope="row" className="pr-6 text-left font-medium">
        {name} <code className="ml-1 font-mono text-xs text-muted" title={release}>{shortId(release)}</code>
      </th>
      <td className="pr-6 tabular-nums">{tally.up}</td>
      <td className="tabular-nums">{tally.down}</td>
    </tr>
  )
}

function Evidence({ name, value, needed }: { name: string; value: number; needed: number }) {
  const { of } = useT().canary
  const lang = useLang()
  const said = (number: number) => new Intl.NumberFormat(lang, { maximumSignificantDigits: 3 }).format(number)
  return (
    <div>
      <div className="flex justify-between gap-3 text-xs">
        <span>{name}</span>
        <span className="text-muted tabular-nums">{of(said(value), said(needed))}</span>
      </div>
      <progress
        aria-label={name}
        value={weight(value, needed)}
        max={1}
        className="mt-1 block h-1.5 w-full appearance-none overflow-hidden rounded-full bg-hover [&::-moz-progress-bar]:bg-accent [&::-webkit-progress-bar]:bg-hover [&::-webkit-progress-value]:bg-accent"
      />
    </div>
  )
}
