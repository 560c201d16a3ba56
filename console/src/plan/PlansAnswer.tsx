import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import { Button } from '../ui/Button'
import type { TrainPlan } from './api'
import { counted, energy, usd } from './quantities'
import { ask } from './store'
import { useSpan } from './useSpan'
import { Waiting } from './Waiting'

/** The devices that make a deadline, the cheapest first. */
export function PlansAnswer({ plans, waiting }: { plans: TrainPlan[]; waiting: boolean }) {
  const words = useT().plan
  const said = useSpan()
  return (
    <Card title={words.budget.cheapest} testId="plan-cheapest" beside={waiting && <Waiting />}>
      <ol className="flex flex-col">
        {plans.map((plan) => (
          <li key={plan.device} className="flex flex-wrap items-center justify-between gap-x-4 gap-y-1 border-t border-line py-2.5 first:border-0 first:pt-0">
            <div className="min-w-0">
              <p className="font-medium">
                {counted(plan.count)} × {plan.device}
              </p>
              <p className="text-sm tabular-nums">
                {said(plan.days.expected)} ({said(plan.days.low)} – {said(plan.days.high)}) · {plan.cost_usd.expected === null ? words.noPrice : usd(plan.cost_usd.expected)} · {energy(plan.energy.mwh)}
              </p>
              <p className="text-xs text-muted tabular-nums">
                {words.numbers.ideal} {said(plan.days.ideal)} · {words.numbers.programme} {said(plan.days.programme)}
              </p>
            </div>
            <Button onClick={() => ask({ goal: 'count' }, { device: plan.device, count: String(plan.count) })} aria-label={`${words.budget.show}: ${plan.device}`}>
              {words.budget.show}
            </Button>
          </li>
        ))}
      </ol>
    </Card>
  )
}
