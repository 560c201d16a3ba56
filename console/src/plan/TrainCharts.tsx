import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import type { Plans, TrainPlan } from './api'
import type { Point } from './chart'
import { LogChart } from './LogChart'
import { counted, short, usd } from './quantities'
import { searchOf, wordsOf, type Question } from './question'
import { usePlan } from './store'
import { useAnswer } from './useAnswer'
import { useSpan } from './useSpan'

const MOST = 131_072

/** The same run on one device and on twice as many again and again. It does not hang on the present number. */
function sweepOf(question: Question, count: number): string {
  const words = wordsOf({ ...question, goal: 'count' }).filter(([name]) => name !== 'count' && name !== 'deadline')
  const most = count <= MOST ? MOST : 2 ** Math.ceil(Math.log2(count))
  return `train?${searchOf([...words, ['count', `1..${most}`]])}`
}

/** Time and money over the number of devices, the present choice marked. */
export function TrainCharts({ plan }: { plan: TrainPlan }) {
  const words = useT().plan
  const { charts } = words
  const said = useSpan()
  const path = usePlan((question) => sweepOf(question, plan.count))
  const { plan: sweep } = useAnswer<Plans>(path)
  if (!sweep) return null
  const { days, cost_usd: cost, count } = plan
  const money = sweep.plans.flatMap(({ days: { expected }, cost_usd: { low, expected: y, high }, layout }): Point[] =>
    y === null ? [] : [{ x: expected, y, low: low ?? y, high: high ?? y, faint: layout === null }],
  )
  return (
    <Card title={charts.title} testId="plan-charts">
      <div className="grid grid-cols-1 gap-x-6 gap-y-5 @2xl:grid-cols-2">
        <LogChart
          title={charts.time}
          said={charts.timeSaid(counted(count), said(days.expected))}
          points={sweep.plans.map(({ count: x, days: { expected: y, low, high }, layout }) => ({ x, y, low, high, faint: layout === null }))}
          names={{ x: charts.devices, y: charts.days }}
          write={{ x: short, y: (value) => short(value) }}
          mark={{ x: count, y: days.expected, low: days.low, high: days.high, along: 'y' }}
          legend={{ mark: charts.here, band: charts.band, faint: charts.faint }}
          testId="plan-time-chart"
        />
        {cost.expected !== null && money.length > 1 && (
          <LogChart
            title={charts.money}
            said={charts.moneySaid(usd(cost.expected), said(days.expected))}
            points={money.reverse()}
            names={{ x: charts.days, y: charts.usd }}
            write={{ x: short, y: usd }}
            mark={{ x: days.expected, y: cost.expected, low: days.low, high: days.high, along: 'x' }}
            legend={{ mark: charts.here, band: charts.rents, faint: charts.faint }}
            testId="plan-money-chart"
          />
        )}
      </div>
      <p className="mt-3 text-sm text-muted">{charts.flat}</p>
      <details className="mt-2 text-sm">
        <summary className="text-muted hover:text-ink">{charts.table}</summary>
        <div tabIndex={0} role="group" aria-label={charts.table} className="mt-2 overflow-x-auto">
          <table className="min-w-sm text-right tabular-nums">
            <thead className="text-xs text-muted">
              <tr>
                {[words.fields.count, words.numbers.expected, charts.band, words.figures.cost].map((head) => (
                  <th key={head} scope="col" className="px-2 py-1 font-medium">
                    {head}
                  </th>
                ))}
              </tr>
            </thead>
            <tbody>
              {sweep.plans.map((one) => (
                <tr key={one.count} className={`border-t border-line whitespace-nowrap ${one.layout ? '' : 'text-muted'}`}>
                  <th scope="row" className="px-2 py-1 font-normal">{counted(one.count)}</th>
                  <td className="px-2 py-1">{said(one.days.expected)}{!one.layout && ` (${charts.faint})`}</td>
                  <td className="px-2 py-1">{said(one.days.low)} – {said(one.days.high)}</td>
                  <td className="px-2 py-1">{one.cost_usd.expected === null ? words.noPrice : usd(one.cost_usd.expected)}</td>
                </tr>
              ))}
            </tbody>
          </table>
        </div>
      </details>
    </Card>
  )
}
