import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import { Button } from '../ui/Button'
import type { BudgetPlan } from './api'
import { Figure } from './Figure'
import { Notes } from './Notes'
import { counted, short, usd } from './quantities'
import { ask } from './store'
import { useSpan } from './useSpan'
import { Waiting } from './Waiting'

/** What the money trains: the model with the least loss, and a smaller one that is cheaper to ask. */
export function BudgetAnswer({ answer, waiting }: { answer: BudgetPlan; waiting: boolean }) {
  const words = useT().plan
  const said = useSpan()
  return (
    <Card title={`${words.budget.title} · ${usd(answer.budget_usd)}`} testId="plan-budget-answer" beside={waiting && <Waiting />}>
      <div className="grid grid-cols-1 gap-4 @xl:grid-cols-2">
        {answer.variants.map(({ kind, tokens_per_param: ratio, loss, plan }) => (
          <section key={kind} aria-label={words.budget.kinds[kind]} className="flex flex-col gap-3 rounded-xl bg-panel p-4" data-testid="plan-variant">
            <h3 className="font-medium">
              {words.budget.kinds[kind]} <span className="text-xs font-normal text-muted">{words.budget.ratio(short(ratio))}</span>
            </h3>
            <dl className="grid grid-cols-2 gap-3">
              <Figure large name={words.fields.params} value={short(plan.model.params)} />
              <Figure large name={words.fields.tokens} value={short(plan.tokens)} />
              <Figure name={words.numbers.ideal} value={said(plan.days.ideal)} />
              <Figure name={words.numbers.expected} value={said(plan.days.expected)} hint={words.numbers.interval(said(plan.days.low), said(plan.days.high))} />
              <Figure name={words.numbers.programme} value={said(plan.days.programme)} hint={plan.programme_cost_usd !== null && usd(plan.programme_cost_usd)} />
              <Figure name={words.budget.loss} value={loss.toFixed(3)} />
              <Figure name={words.fields.count} value={`${counted(plan.count)} × ${plan.device}`} />
              <Figure name={words.figures.cost} value={plan.cost_usd.expected === null ? words.noPrice : usd(plan.cost_usd.expected)} />
            </dl>
            <Notes notes={plan.notes} />
            <Button onClick={() => ask({ goal: 'count' }, { params: short(plan.model.params), tokens: short(plan.tokens), device: plan.device, count: String(plan.count) })}>{words.budget.show}</Button>
          </section>
        ))}
      </div>
    </Card>
  )
}
