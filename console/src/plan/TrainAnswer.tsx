import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import type { BudgetPlan, Plans, TrainPlan } from './api'
import { BudgetAnswer } from './BudgetAnswer'
import { PlansAnswer } from './PlansAnswer'
import { searchOf, wordsOf } from './question'
import { Refusal } from './Refusal'
import { usePlan } from './store'
import { TrainCharts } from './TrainCharts'
import { TrainFigures } from './TrainFigures'
import { TrainMachine } from './TrainMachine'
import { useAnswer } from './useAnswer'
import { Waiting } from './Waiting'

/** A plan; several, of a budget or of a deadline for any device; or why there is none. */
export function TrainAnswer() {
  const words = useT().plan
  const search = usePlan((question) => searchOf(wordsOf(question)))
  const { plan, fault, waiting } = useAnswer<TrainPlan | Plans | BudgetPlan>(`train?${search}`)
  if (fault) return <Refusal fault={fault} path={`train/fits?${search}`} waiting={waiting} />
  if (!plan) return <Waiting />
  if ('variants' in plan) return <BudgetAnswer answer={plan} waiting={waiting} />
  if ('plans' in plan) return <PlansAnswer plans={plan.plans} waiting={waiting} />
  return (
    <>
      <Card title={words.answer} testId="plan-train" beside={waiting && <Waiting />}>
        <TrainFigures plan={plan} />
      </Card>
      <TrainCharts plan={plan} />
      <TrainMachine plan={plan} />
    </>
  )
}
