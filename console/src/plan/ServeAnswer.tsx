import { useEffect } from 'react'
import { Card } from '../flywheel/Card'
import { useT } from '../i18n'
import { speak } from '../state/notices'
import type { Catalogue, ServePlan, ServePlans } from './api'
import { Figure } from './Figure'
import { LogChart } from './LogChart'
import { MemoryBar } from './MemoryBar'
import { counted, gigabytes, power, short, shortContext, usd } from './quantities'
import { searchOf, wordsOf } from './question'
import { Refusal } from './Refusal'
import { usePlan } from './store'
import { useAnswer } from './useAnswer'
import { Waiting } from './Waiting'

const ROOM = 0.9
const SPEAK_MS = 900

/** Devices and money for so many users; whether an answer pays for itself; how that changes with their number. */
export function ServeAnswer() {
  const search = usePlan((question) => searchOf(wordsOf(question)))
  const { plan, fault, waiting } = useAnswer<ServePlan>(`serve?${search}`)
  if (fault) return <Refusal fault={fault} path={`serve/fits?${search}`} waiting={waiting} />
  if (!plan) return <Waiting />
  return (
    <>
      <Figures plan={plan} waiting={waiting} />
      <Users plan={plan} />
    </>
  )
}

function Figures({ plan, waiting }: { plan: ServePlan; waiting: boolean }) {
  const words = useT().plan
  const { serve } = words
  const { plan: catalogue } = useAnswer<Catalogue>('devices', 0)
  const memory = catalogue?.devices.find(({ name }) => name === plan.device)?.memory_gb
  const money = (value: number | null) => (value === null ? words.noPrice : usd(value))
  const pays = plan.pays === null ? 'unknown' : plan.pays ? 'yes' : 'no'
  const sentence = `${counted(plan.devices)} × ${plan.device}. ${serve.answer}: ${money(plan.cost_usd_per_answer)}.`
  useEffect(() => {
    const timer = setTimeout(() => speak(sentence), SPEAK_MS)
    return () => clearTimeout(timer)
  }, [sentence])
  return (
    <Card title={words.answer} testId="plan-serve" beside={waiting && <Waiting />}>
      <div className="flex flex-col gap-4">
        <p className="text-sm text-muted">
          {serve.subject(plan.model, counted(plan.users), shortContext(plan.context), plan.device)}
        </p>
        <dl className="grid grid-cols-2 gap-4 @md:grid-cols-4">
          <Figure large name={serve.devices} value={counted(plan.devices)} hint={serve.replicas(counted(plan.replicas), plan.devices_per_replica)} testId="plan-devices-needed" />
          <Figure large name={serve.answer} value={money(plan.cost_usd_per_answer)} testId="plan-per-answer" />
          <Figure large name={serve.month} value={money(plan.cost_usd_per_user_month)} />
          <Figure large name={serve.million} value={money(plan.cost_usd_per_million_tokens)} />
        </dl>
        <p className={`text-sm ${pays === 'no' ? 'text-danger' : pays === 'yes' ? 'text-accent' : 'text-muted'}`} data-testid="plan-pays">
          {serve.pays[pays]}
        </p>
        <dl className="grid grid-cols-2 gap-x-4 gap-y-3 border-t border-line pt-4 @md:grid-cols-4">
          <Figure name={serve.hour} value={money(plan.cost_usd_per_hour)} hint={power(plan.mw)} />
          <Figure name={serve.busy} value={short(plan.busy_users)} />
          <Figure name={serve.concurrency} value={counted(plan.concurrency_per_replica)} />
          <Figure name={serve.first} value={serve.seconds(short(plan.first_token_s, 2))} />
          <Figure name={serve.alone} value={short(plan.decode_tokens_per_second_alone)} />
          <Figure name={serve.full} value={short(plan.decode_tokens_per_second_busy)} />
          <Figure name={serve.prefill} value={short(plan.prefill_tokens_per_second)} />
          <Figure name={serve.cache} value={gigabytes(plan.kv_gb_per_user)} />
        </dl>
        {memory !== undefined && (
          <MemoryBar
            parts={{ weights_gb: plan.weights_gb / plan.devices_per_replica, cache: (plan.concurrency_per_replica * plan.kv_gb_per_user) / plan.devices_per_replica }}
            all={memory}
            room={ROOM}
          />
        )}
      </div>
    </Card>
  )
}

const SWEEP = '1..100M'

function Users({ plan }: { plan: ServePlan }) {
  const { charts } = useT().plan
  const path = usePlan((question) => `serve?${searchOf([...wordsOf(question).filter(([name]) => name !== 'users'), ['users', SWEEP]])}`)
  const { plan: sweep } = useAnswer<ServePlans>(path)
  const cost = plan.cost_usd_per_answer
  const points = (sweep?.plans ?? []).flatMap(({ users: x, cost_usd_per_answer: y }) => (y === null ? [] : [{ x, y, low: y, high: y, faint: false }]))
  if (cost === null || points.length < 2) return null
  return (
    <Card title={charts.scale} testId="plan-users">
      <LogChart
        title={charts.perAnswer}
        said={charts.perAnswerSaid(usd(cost), counted(plan.users))}
        points={points}
        names={{ x: charts.users, y: charts.usd }}
        write={{ x: short, y: usd }}
        mark={{ x: plan.users, y: cost, low: cost, high: cost, along: 'y' }}
        legend={{ mark: charts.here }}
        testId="plan-users-chart"
      />
    </Card>
  )
}
