import { useEffect } from 'react'
import { ServerNotice } from '../chat/ServerNotice'
import { Card } from '../flywheel/Card'
import { Choices } from '../flywheel/Choices'
import { useT } from '../i18n'
import { IconButton } from '../ui/Button'
import { SidebarIcon } from '../ui/icons'
import type { Catalogue, Presets as Known } from './api'
import { CompareAnswer } from './CompareAnswer'
import { Form } from './Form'
import { Presets } from './Presets'
import { TABS } from './question'
import { ServeAnswer } from './ServeAnswer'
import { ask, readAddress, usePlan } from './store'
import { TrainAnswer } from './TrainAnswer'
import { useAnswer } from './useAnswer'

const ANSWERS = { train: TrainAnswer, serve: ServeAnswer, compare: CompareAnswer }

/** What training and serving will take. The answer follows the sliders. */
export function PlanPage({ onToggleSidebar }: { onToggleSidebar: () => void }) {
  const t = useT()
  const words = t.plan
  const tab = usePlan((question) => question.tab)
  const { plan: catalogue, fault } = useAnswer<Catalogue>('devices', 0)
  const { plan: known } = useAnswer<Known>('presets', 0)
  const Answer = ANSWERS[tab]

  useEffect(() => {
    document.title = `${words.title} · ${t.appName}`
  }, [words, t])
  useEffect(() => {
    readAddress()
    window.addEventListener('hashchange', readAddress)
    return () => window.removeEventListener('hashchange', readAddress)
  }, [])

  return (
    <main id="plan" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
      <header className="flex h-13 shrink-0 items-center gap-1 px-2 md:px-3">
        <IconButton label={t.sidebar.toggle} onClick={onToggleSidebar} className="size-9" data-testid="sidebar-toggle">
          <SidebarIcon />
        </IconButton>
        <h1 className="px-2 font-semibold">{words.title}</h1>
      </header>
      <ServerNotice />
      <div className="@container min-h-0 flex-1 overflow-y-auto" data-testid="plan">
        <div className="mx-auto flex max-w-6xl flex-col gap-4 px-3 pt-1 pb-10 md:px-6">
          <p className="text-sm text-muted">{words.intro}</p>
          <Choices label={words.tabsLabel} choices={TABS} chosen={tab} names={words.tabs} onChoose={(chosen) => ask({ tab: chosen })} testId="plan-tab" />
          {fault && <p className="text-sm text-danger">{words.loadFailed} {fault.message}</p>}
          {tab === 'train' && known && <Presets known={known} />}
          {catalogue && (
            <div className="grid grid-cols-1 items-start gap-4 @4xl:grid-cols-[19rem_minmax(0,1fr)]">
              <Card title={words.question} testId="plan-question">
                <Form catalogue={catalogue} />
              </Card>
              <div className="@container flex min-w-0 flex-col gap-4" data-testid="plan-answer">
                <Answer />
              </div>
            </div>
          )}
        </div>
      </div>
    </main>
  )
}
