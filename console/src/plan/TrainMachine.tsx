import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import type { TrainPlan } from './api'
import { LayoutDrawing } from './LayoutDrawing'
import { MemoryBar } from './MemoryBar'

/** What each device holds, and how the model is spread over all of them. */
export function TrainMachine({ plan: { layout } }: { plan: TrainPlan }) {
  const words = useT().plan
  return (
    <Card title={words.layout.title} testId="plan-machine">
      {layout ? (
        <div className="flex flex-col gap-5">
          <LayoutDrawing layout={layout} />
          <MemoryBar parts={partsOf(layout.memory)} all={layout.memory.device_gb} />
        </div>
      ) : (
        <p className="text-sm text-muted">{words.layout.none}</p>
      )}
    </Card>
  )
}

const partsOf = ({ total_gb: _total, device_gb: _device, ...parts }: NonNullable<TrainPlan['layout']>['memory']) => parts
