import type { ReactNode } from 'react'
import { Choices } from '../flywheel/Choices'
import { useT } from '../i18n'
import { CopyButton } from '../ui/CopyButton'
import type { Catalogue } from './api'
import { ChoiceOf, DeviceSelect, ModelSelect, SliderOf, SpeculativeBox, TextOf } from './fields'
import { PickDevices } from './PickDevices'
import { commandOf, GOALS } from './question'
import { ask, usePlan } from './store'

/** What is asked, and the command that asks the same. */
export function Form({ catalogue }: { catalogue: Catalogue }) {
  const tab = usePlan((question) => question.tab)
  const Fields = { train: TrainFields, serve: ServeFields, compare: CompareFields }[tab]
  return (
    <form className="flex flex-col gap-3" onSubmit={(event) => event.preventDefault()} data-testid="plan-form">
      <Fields catalogue={catalogue} />
      <Command />
    </form>
  )
}

function TrainFields({ catalogue }: { catalogue: Catalogue }) {
  const words = useT().plan
  const goal = usePlan((question) => question.goal)
  return (
    <>
      <Choices label={words.goalsLabel} choices={GOALS} chosen={goal} names={words.goals} onChoose={(chosen) => ask({ goal: chosen })} testId="plan-goal" />
      {goal !== 'budget' && (
        <>
          <SliderOf name="params" />
          <SliderOf name="tokens" />
        </>
      )}
      {goal === 'budget' && <SliderOf name="budget" />}
      {goal === 'deadline' && <SliderOf name="deadline" />}
      <DeviceSelect catalogue={catalogue} any={goal === 'deadline'} />
      {goal === 'count' && <SliderOf name="count" />}
      <More>
        <TextOf name="tflops" hint={words.hints.tflops} />
        <TextOf name="price" />
        <TextOf name="length" placeholder="2048" />
        {goal !== 'budget' && <TextOf name="active" hint={words.hints.active} />}
        {goal === 'count' && (
          <>
            <ChoiceOf name="precision" choices={['', 'bf16', 'fp16', 'fp8']} />
            <ChoiceOf name="recompute" choices={['', 'none', 'selective', 'full']} />
          </>
        )}
      </More>
    </>
  )
}

function ServeFields({ catalogue }: { catalogue: Catalogue }) {
  const named = usePlan(({ fields }) => !!fields.model)
  return (
    <>
      <ModelSelect catalogue={catalogue} />
      {!named && <SliderOf name="params" />}
      <SliderOf name="users" />
      <SliderOf name="context" />
      <DeviceSelect catalogue={catalogue} />
      <ChoiceOf name="quantisation" choices={['', 'bf16', 'fp8', 'int8', 'int4']} />
      <SpeculativeBox />
      <TextOf name="revenue" placeholder="0.005" />
      <More>
        <TextOf name="per_day" placeholder="20" />
        <TextOf name="answer_tokens" placeholder="500" />
        <TextOf name="price" />
      </More>
    </>
  )
}

function CompareFields({ catalogue }: { catalogue: Catalogue }) {
  return (
    <>
      <SliderOf name="params" />
      <SliderOf name="tokens" />
      <SliderOf name="count" />
      <PickDevices catalogue={catalogue} />
    </>
  )
}

function More({ children }: { children: ReactNode }) {
  const words = useT().plan
  return (
    <details data-testid="plan-more">
      <summary className="py-1 text-sm text-muted hover:text-ink">{words.more}</summary>
      <div className="mt-2 grid grid-cols-1 gap-3">{children}</div>
    </details>
  )
}

function Command() {
  const words = useT().plan
  const command = usePlan(commandOf)
  return (
    <div className="border-t border-line pt-3">
      <div className="mb-1 flex items-center justify-between text-xs font-medium text-muted">
        {words.command}
        <CopyButton label={words.copyCommand} getText={() => command} testId="plan-copy" />
      </div>
      <code data-testid="plan-command" className="block rounded-lg bg-code px-2.5 py-2 font-mono text-xs leading-relaxed break-words">
        {command}
      </code>
    </div>
  )
}
