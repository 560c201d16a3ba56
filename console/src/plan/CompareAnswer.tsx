import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import type { Compared, Comparison } from './api'
import { counted, energy, power, short, usd } from './quantities'
import { searchOf, wordsOf } from './question'
import { Refusal } from './Refusal'
import { usePlan } from './store'
import { useAnswer } from './useAnswer'
import { useSpan } from './useSpan'
import { Waiting } from './Waiting'

/** The same run on many devices: days, money and energy side by side, and how many would be as fast. */
export function CompareAnswer() {
  const words = useT().plan
  const search = usePlan((question) => searchOf(wordsOf(question)))
  const { plan, fault, waiting } = useAnswer<Comparison>(`compare?${search}`)
  if (fault) return <Refusal fault={fault} path={null} waiting={waiting} />
  if (!plan) return <Waiting />
  const most = {
    days: Math.max(...plan.rows.map((row) => row.days)),
    cost: Math.max(...plan.rows.map((row) => row.cost_usd ?? 0)),
    mwh: Math.max(...plan.rows.map((row) => row.mwh)),
  }
  return (
    <Card title={words.tabs.compare} testId="plan-compare" beside={waiting && <Waiting />}>
      <p className="mb-3 text-sm text-muted">{words.compare.more}</p>
      <ul>
        {plan.rows.map((row) => (
          <Row key={row.device} row={row} most={most} measure={row.device === plan.reference} />
        ))}
      </ul>
    </Card>
  )
}

function Row({ row, most, measure }: { row: Compared; most: { days: number; cost: number; mwh: number }; measure: boolean }) {
  const words = useT().plan
  const { compare } = words
  const said = useSpan()
  return (
    <li data-testid="plan-compared" className="border-t border-line py-3 first:border-0 first:pt-0">
      <div className="mb-1.5 flex flex-wrap items-baseline justify-between gap-x-3">
        <p className="font-medium">
          {row.device}
          <span className="ml-2 text-xs font-normal text-muted">
            {row.process_nm !== null && compare.process(row.process_nm)} {!row.fits && `· ${compare.noFit}`}
          </span>
        </p>
        <p className="text-xs text-muted tabular-nums">
          {measure
            ? compare.measure
            : row.count_for_same_days === null || row.mw_same_days === null
              ? compare.never
              : `${compare.same(counted(row.count_for_same_days))} · ${compare.sameCost(row.cost_same_days_usd === null ? words.noPrice : usd(row.cost_same_days_usd), power(row.mw_same_days))}`}
        </p>
      </div>
      <dl className="grid grid-cols-1 gap-x-4 gap-y-1.5 @lg:grid-cols-3">
        <Bar name={compare.days} value={said(row.days)} hint={`${said(row.low)} – ${said(row.high)}`} share={row.days / most.days} fill="fill-part-1" faint={!row.fits} />
        <Bar name={compare.cost} value={row.cost_usd === null ? words.noPrice : usd(row.cost_usd)} share={most.cost ? (row.cost_usd ?? 0) / most.cost : 0} fill="fill-part-4" faint={!row.fits} />
        <Bar name={compare.energy} value={energy(row.mwh)} hint={`${words.figures.tonnes(short(row.co2e_t))} CO2e`} share={row.mwh / most.mwh} fill="fill-part-3" faint={!row.fits} />
      </dl>
    </li>
  )
}

const WIDTH = 300

function Bar({ name, value, hint, share, fill, faint }: { name: string; value: string; hint?: string; share: number; fill: string; faint: boolean }) {
  return (
    <div className="min-w-0">
      <dt className="sr-only">{name}</dt>
      <dd className="flex flex-wrap items-baseline gap-x-1.5 text-xs tabular-nums">
        <span aria-hidden="true" className="text-muted">{name}</span>
        <span className="font-semibold">{value}</span>
        {hint && <span className="ml-auto text-muted">{hint}</span>}
      </dd>
      <dd aria-hidden="true">
        <svg viewBox={`0 0 ${WIDTH} 8`} preserveAspectRatio="none" className="h-2 w-full">
          <rect width={WIDTH} height="8" className="fill-hover" />
          {share > 0 && <rect width={Math.max(2, share * WIDTH)} height="8" className={fill} opacity={faint ? 0.45 : 1} />}
        </svg>
      </dd>
    </div>
  )
}
