import { useEffect } from 'react'
import { useT } from '../i18n'
import { speak } from '../state/notices'
import type { TrainPlan } from './api'
import { Figure } from './Figure'
import { Notes } from './Notes'
import { counted, energy, gigabytes, percent, power, short, usd } from './quantities'
import { logAxis } from './scales'
import { useSpan } from './useSpan'

const SPEAK_MS = 900

/** Ideal, expected and whole programme, with the interval; money, energy, and what goes on meanwhile. */
export function TrainFigures({ plan }: { plan: TrainPlan }) {
  const words = useT().plan
  const said = useSpan()
  const { days, cost_usd: cost, energy: electricity, speed, checkpoint } = plan
  const { figures, numbers } = words
  const money = (value: number | null) => (value === null ? words.noPrice : usd(value))
  const interval = numbers.interval(said(days.low), said(days.high))
  const sentence = numbers.said(counted(plan.count), plan.device, said(days.expected), said(days.low), said(days.high))
  // Only once the slider rests.
  useEffect(() => {
    const timer = setTimeout(() => speak(sentence), SPEAK_MS)
    return () => clearTimeout(timer)
  }, [sentence])
  return (
    <div className="flex flex-col gap-4">
      <p className="text-sm text-muted">
        {numbers.subject(`${short(plan.model.params)} (${plan.model.layers} × ${plan.model.width})`, short(plan.tokens), counted(plan.count), plan.device)}
      </p>
      <dl className="grid grid-cols-1 gap-4 @md:grid-cols-3">
        <Figure large name={numbers.ideal} value={said(days.ideal)} hint={numbers.idealHint} testId="plan-ideal" />
        <Figure large name={numbers.expected} value={said(days.expected)} hint={<>{numbers.expectedHint}<br />{interval}</>} testId="plan-expected" />
        <Figure large name={numbers.programme} value={said(days.programme)} hint={<>{numbers.programmeHint}<br />{money(plan.programme_cost_usd)}</>} testId="plan-programme" />
      </dl>
      <IntervalBar days={days} said={interval} />
      <dl className="grid grid-cols-2 gap-x-4 gap-y-3 border-t border-line pt-4 @md:grid-cols-3 @2xl:grid-cols-4">
        <Figure name={figures.cost} value={money(cost.expected)} hint={<>{cost.low !== null && cost.high !== null && cost.low !== cost.high && figures.between(usd(cost.low), usd(cost.high))}<br />{figures.basis(cost.basis)}</>} testId="plan-cost" />
        <Figure name={figures.energy} value={energy(electricity.mwh)} hint={`${power(electricity.mw)}, ${figures.tonnes(short(electricity.co2e_t))} CO2e`} />
        <Figure name={figures.hours} value={counted(plan.accelerator_hours)} />
        <Figure name={figures.speed} value={`${short(speed.tflops)} TFLOP/s`} hint={`${percent(speed.utilisation)} · ${figures.bases[speed.basis] ?? speed.basis}`} />
        <Figure name={figures.rate} value={short(plan.tokens_per_second)} />
        <Figure name={figures.operations} value={`${plan.flops.useful.toExponential(2)} FLOP`} hint={plan.flops.hardware > plan.flops.useful * 1.001 && `${plan.flops.hardware.toExponential(2)} FLOP ↻`} />
        <Figure name={figures.checkpoint} value={gigabytes(checkpoint.weights_gb)} hint={figures.written(gigabytes(checkpoint.full_gb), short(checkpoint.interval_minutes, 2))} />
        <Figure name={figures.stops} value={short(plan.stops_per_day)} hint={`${figures.goodput}: ${percent(plan.goodput)}`} testId="plan-stops" />
      </dl>
      <Notes notes={plan.notes} />
    </div>
  )
}

const WIDTH = 600

/** The three numbers and the interval on one logarithmic line. */
function IntervalBar({ days, said }: { days: TrainPlan['days']; said: string }) {
  const words = useT().plan.numbers
  const axis = logAxis([days.ideal * 0.8, days.low * 0.9, days.high * 1.1, days.programme * 1.1])
  // Not from a power of ten to another: the line begins and ends with what it shows.
  const [from, to] = [Math.min(days.ideal, days.low) * 0.9, Math.max(days.programme, days.high) * 1.1]
  const x = (value: number) => ((axis.at(value) - axis.at(from)) / (axis.at(to) - axis.at(from))) * WIDTH
  return (
    <svg viewBox={`0 0 ${WIDTH} 22`} preserveAspectRatio="none" role="img" aria-label={`${words.axis}. ${said}`} className="h-5.5 w-full">
      <rect x="0" y="9" width={WIDTH} height="4" rx="2" className="fill-hover" />
      <rect x={x(days.low)} y="6" width={x(days.high) - x(days.low)} height="10" rx="2" className="fill-accent/30" />
      {([days.ideal, days.expected, days.programme] as const).map((value, at) => (
        <rect key={at} x={x(value) - 1.5} y={at === 1 ? 1 : 4} width="3" height={at === 1 ? 20 : 14} className={at === 1 ? 'fill-accent' : 'fill-line-strong'} />
      ))}
    </svg>
  )
}
