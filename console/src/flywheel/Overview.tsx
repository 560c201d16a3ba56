import { useId, useState, type ReactNode } from 'react'
import { useLang, useT } from '../i18n'
import { toast } from '../state/notices'
import { turnHref } from '../state/route'
import { reasonOf } from '../state/server'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { AlertIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'
import { discardTurn, postRollback, postTurn, type Overview as Shape } from './api'
import { beginningOf, resumable } from './begin'
import { Card } from './Card'
import { Estimate } from './Estimate'
import { releaseBefore, shortId } from './releases'
import { refreshItems, refreshOverview } from './store'
import { when } from './when'

/** What has gathered since the last turn, what serves, and what can be done about it. */
export function Overview({ overview }: { overview: Shape }) {
  const t = useT()
  const words = t.flywheel.overview
  const lang = useLang()
  const { items, least, model, release, history, turns } = overview
  const judged = turns.find(({ words: said }) => said.length > 0)
  const since = history.find((row) => row.model === model && row.release === release)?.since_ms
  return (
    <Card title={words.label} testId="overview">
      <div className="flex flex-wrap gap-x-10 gap-y-4">
        <dl className="flex flex-wrap gap-x-8 gap-y-3">
          <Figure name={words.pending} value={items.pending} testId="count-pending" />
          <Figure name={words.accepted} value={items.accepted} hint={words.needed(least)} testId="count-accepted" />
          <Figure name={words.taken} value={items.taken} testId="count-taken" />
        </dl>
        <div className="min-w-0 text-sm">
          <p className="text-muted">{words.serving}</p>
          <p className="font-medium break-words">
            {model} <code className="ml-1 rounded bg-code px-1.5 py-0.5 font-mono text-xs text-muted" title={release}>{shortId(release)}</code>
          </p>
          {since !== undefined && <p className="text-xs text-muted">{words.since(when(since, lang))}</p>}
          {judged?.words[0] && (
            <p className="mt-1 text-xs text-muted">
              <a href={turnHref(judged.id)} className="text-accent underline underline-offset-2">{words.last}</a>
              {lang === 'zh' ? '：' : ': '}
              {judged.words[0][lang]}
            </p>
          )}
        </div>
      </div>
      <Estimate estimate={overview.estimate} />
      <Actions overview={overview} />
    </Card>
  )
}

function Figure({ name, value, hint, testId }: { name: string; value: number; hint?: string; testId: string }) {
  return (
    <div className="flex flex-col-reverse justify-end">
      <dt className="text-sm text-muted">
        {name}
        {hint && <span className="block text-xs">{hint}</span>}
      </dt>
      <dd className="text-2xl font-semibold tabular-nums" data-testid={testId}>
        {value}
      </dd>
    </div>
  )
}

function Actions({ overview }: { overview: Shape }) {
  const t = useT()
  const words = t.flywheel.overview
  const reasonId = useId()
  const [busy, setBusy] = useState(false)
  const [fault, setFault] = useState<string | null>(null)
  const [asking, setAsking] = useState<'back' | 'discard' | null>(null)
  const { unfinished } = overview
  const beginning = beginningOf(overview)
  const running = beginning === 'running'
  const waits = resumable(beginning)
  const reason = beginning === 'tooFew' ? words.tooFew(overview.least - overview.items.accepted) : words.beginnings[beginning]
  const earlier = releaseBefore(overview)

  const begin = async () => {
    setBusy(true)
    setFault(null)
    try {
      location.hash = turnHref((await postTurn()).id)
    } catch (error) {
      setFault(reasonOf(error, t.errors.unreachable))
    }
    setBusy(false)
    void refreshOverview()
    void refreshItems()
  }
  const giveUp = async () => {
    setAsking(null)
    setFault(null)
    try {
      toast(words.discardDone((await discardTurn(unfinished ?? '')).items))
    } catch (error) {
      toast(reasonOf(error, t.errors.unreachable), { tone: 'error' })
    }
    void refreshOverview()
    void refreshItems()
  }
  const goBack = async () => {
    setAsking(null)
    try {
      toast(words.backDone(shortId((await postRollback()).release)))
    } catch (error) {
      toast(reasonOf(error, t.errors.unreachable), { tone: 'error' })
    }
    void refreshOverview()
    void refreshItems()
  }
  return (
    <div className="mt-4 border-t border-line pt-4">
      <div className="flex flex-wrap items-center gap-2">
        <Button tone="accent" onClick={() => void begin()} disabled={busy || running || beginning === 'tooFew'} aria-describedby={reasonId} data-testid="begin-turn">
          {busy && <Mark className="size-4 text-current" turning />}
          {busy ? words.beginning : waits ? words.resume : words.begin}
        </Button>
        {waits && (
          <Button onClick={() => setAsking('discard')} disabled={busy} data-testid="discard-turn" aria-describedby={reasonId}>
            {words.discard}
          </Button>
        )}
        <Button onClick={() => setAsking('back')} disabled={earlier === null || running} data-testid="rollback" aria-describedby={reasonId}>
          {words.back}
        </Button>
      </div>
      <p id={reasonId} className="mt-2 text-xs text-muted" data-testid="begin-reason">
        {reason} {earlier === null && words.noBack}
      </p>
      {fault && (
        <p role="alert" className="mt-2 flex items-start gap-1.5 text-sm text-danger">
          <AlertIcon className="size-4.5 shrink-0" />
          {fault}
        </p>
      )}
      <Confirm open={asking === 'back'} onClose={() => setAsking(null)} title={words.backTitle} text={words.backText(shortId(earlier ?? ''))}>
        <Button tone="accent" onClick={() => void goBack()} data-testid="rollback-confirm">
          {words.backConfirm}
        </Button>
      </Confirm>
      <Confirm open={asking === 'discard'} onClose={() => setAsking(null)} title={words.discardTitle} text={words.discardText}>
        <Button tone="accent" onClick={() => void giveUp()} data-testid="discard-confirm">
          {words.discardConfirm}
        </Button>
      </Confirm>
    </div>
  )
}

function Confirm({ open, onClose, title, text, children }: { open: boolean; onClose: () => void; title: string; text: string; children: ReactNode }) {
  const t = useT()
  return (
    <Dialog open={open} onClose={onClose} title={title}>
      <p className="px-5 text-sm">{text}</p>
      <div className="flex justify-end gap-2 p-5">
        <Button tone="quiet" onClick={onClose}>
          {t.cancel}
        </Button>
        {children}
      </div>
    </Dialog>
  )
}
