import { useLang, useT } from '../i18n'
import { FLYWHEEL, hrefOf } from '../state/route'
import { IconLink } from '../ui/Button'
import { AlertIcon, CheckIcon, CloseIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'
import type { Turn } from './api'
import { Card } from './Card'
import { Changes } from './Changes'
import { askedOf, courseOf, lastOf, STEPS, type Step, type StepState } from './course'
import { curvesOf } from './curve'
import { LossCurve } from './LossCurve'
import { shortId } from './releases'
import { useTurn } from './useTurn'
import { when } from './when'

/** One turn: its steps as they happen, and what came of it. */
export function TurnView({ id }: { id: string }) {
  const t = useT()
  const words = t.flywheel.turn
  const lang = useLang()
  const { turn, failed } = useTurn(id)
  const title = turn ? words.title(when(turn.created, lang)) : id
  const beside = turn?.state !== 'running' && (
    <IconLink label={words.close} href={hrefOf(FLYWHEEL)}>
      <CloseIcon />
    </IconLink>
  )
  return (
    <Card title={title} testId="turn" beside={beside}>
      {!turn && <p className="text-sm text-muted">{failed ? words.notFound : t.loading}</p>}
      {turn && (
        <>
          <Steps turn={turn} />
          <Ending turn={turn} />
        </>
      )}
    </Card>
  )
}

function Steps({ turn }: { turn: Turn }) {
  const words = useT().flywheel.turn
  const course = courseOf(turn)
  const curves = curvesOf(turn.events)
  return (
    <ol className="flex flex-col gap-2.5" data-testid="turn-steps">
      {STEPS.map((step) => (
        <li key={step} data-state={course[step]} data-step={step} className="flex gap-2.5 text-sm">
          <StepMark state={course[step]} />
          <div className="min-w-0 flex-1">
            <span className={course[step] === 'waiting' || course[step] === 'skipped' ? 'text-muted' : 'font-medium'}>{words.steps[step]}</span>
            <span className="sr-only"> ({words.stepStates[course[step]]})</span>
            <Detail step={step} turn={turn} />
            {step === 'trained' && curves.map((curve) => <LossCurve key={curve.objective} curve={curve} named={curves.length > 1 || curve.objective !== 'sft'} />)}
          </div>
        </li>
      ))}
    </ol>
  )
}

function StepMark({ state }: { state: StepState }) {
  if (state === 'done') return <CheckIcon className="size-5 text-accent" />
  if (state === 'now') return <Mark className="size-5" turning />
  if (state === 'stuck') return <AlertIcon className="size-5 text-danger" />
  return <span className="flex size-5 shrink-0 items-center justify-center text-muted">{state === 'skipped' ? '–' : <span className="size-2 rounded-full border border-line-strong" />}</span>
}

const number = (value: unknown): number => (typeof value === 'number' ? value : 0)

/** What a step has come to so far, in a few words. */
function Detail({ step, turn }: { step: Step; turn: Turn }) {
  const words = useT().flywheel.turn
  const said = saidOf(step, turn, words)
  return said.length ? <span className="ml-2 text-muted">{said.join(' · ')}</span> : null
}

function saidOf(step: Step, { events, passed, state }: Turn, words: ReturnType<typeof useT>['flywheel']['turn']): string[] {
  const happened = lastOf(events, step)
  if (step === 'trained') {
    const last = lastOf(events, 'step')
    if (!last) return []
    const [at, of, left] = [number(last.step), number(last.steps), Math.round(number(last.eta_s))]
    const said = [words.training(at, of)]
    if (typeof last.part === 'string' && last.part !== 'sft') said.unshift(words.objectives[last.part] ?? last.part)
    if (typeof last.loss === 'number') said.push(words.loss(last.loss.toFixed(2)))
    return state === 'running' && at < of ? [...said, words.left(left)] : said
  }
  if (step === 'asked') return askedOf(events).map(({ step: at, steps, candidate }) => words.askedOf(words.asked[candidate ? 1 : 0] ?? '', at, steps))
  if (step === 'gate') return passed === null ? [] : [passed ? words.opened : words.closed]
  if (!happened) return []
  if (step === 'promoted') return [words.promoted(shortId(String(happened.release)))]
  if (step === 'built') {
    const { sft, preference, kto, heldout, masked } = happened
    const said = [words.built(number(sft), number(preference))]
    if (kto) said.push(words.thumbs(number(kto)))
    if (heldout) said.push(words.heldOut(number(heldout)))
    return masked ? [...said, words.masked(number(masked))] : said
  }
  const capped = Object.values(happened.capped ?? {}).reduce((sum: number, n) => sum + number(n), 0)
  return [words.collected(number(happened.items)), ...(capped ? [words.capped(capped)] : [])]
}

function Ending({ turn }: { turn: Turn }) {
  const words = useT().flywheel.turn
  const lang = useLang()
  const failed = lastOf(turn.events, 'failed')
  if (turn.state === 'failed') {
    const why = String((lang === 'zh' ? failed?.error_zh : null) ?? failed?.error ?? '')
    return <p role="alert" className="mt-4 rounded-lg bg-danger-soft px-3 py-2 text-sm break-words text-danger">{words.failed(why)}</p>
  }
  if (turn.state === 'stopped' || turn.state === 'interrupted') return <p className="mt-4 rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">{words.stuck[turn.state]}</p>
  if (turn.discarded) return <p className="mt-4 rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">{words.discarded}</p>
  if (!turn.verdict) return null
  const [verdict, ...parts] = turn.words
  return (
    <div className="mt-4 border-t border-line pt-4">
      <h3 className="sr-only">{words.verdict}</h3>
      <p data-testid="verdict" className={`font-medium ${turn.passed ? 'text-accent' : 'text-warn'}`}>
        {verdict?.[lang]}
      </p>
      <ul className="mt-1.5 flex flex-col gap-1 text-sm">
        {parts.map((part) => (
          <li key={part.en}>{part[lang]}</li>
        ))}
      </ul>
      <Changes changed={turn.verdict.changed} />
    </div>
  )
}
