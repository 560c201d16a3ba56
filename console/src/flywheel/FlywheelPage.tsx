import { useEffect } from 'react'
import { ServerNotice } from '../chat/ServerNotice'
import { useT } from '../i18n'
import { hrefOf, LINEAGE, turnHref, useCurrentTurn } from '../state/route'
import { useServer } from '../state/server'
import { Button, IconButton } from '../ui/Button'
import { LineageIcon, SidebarIcon } from '../ui/icons'
import { CanaryCard } from './CanaryCard'
import { History } from './History'
import { Overview } from './Overview'
import { ReviewQueue } from './ReviewQueue'
import { refreshItems, refreshOverview, useFlywheel } from './store'
import { TurnView } from './TurnView'

/** What has gathered, what may be learnt, how a turn goes, and what came of the others. */
export function FlywheelPage({ onToggleSidebar }: { onToggleSidebar: () => void }) {
  const t = useT()
  const words = t.flywheel
  const overview = useFlywheel((state) => state.overview)
  const failed = useFlywheel((state) => state.overviewFailed)
  const reachable = useServer((server) => server.reachable)
  const turn = useCurrentTurn()
  const running = overview?.turns.find(({ state }) => state === 'running')?.id

  useEffect(() => {
    document.title = `${words.title} · ${t.appName}`
  }, [words, t])
  useEffect(() => {
    const look = () => {
      void refreshOverview()
      void refreshItems()
    }
    if (reachable) look()
    window.addEventListener('focus', look)
    return () => window.removeEventListener('focus', look)
  }, [reachable])
  // A turn that runs is shown, and stays in view when it has ended.
  useEffect(() => {
    if (running && !turn) location.replace(turnHref(running))
  }, [running, turn])

  return (
    <main id="flywheel" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
      <header className="flex h-13 shrink-0 items-center gap-1 px-2 md:px-3">
        <IconButton label={t.sidebar.toggle} onClick={onToggleSidebar} className="size-9" data-testid="sidebar-toggle">
          <SidebarIcon />
        </IconButton>
        <h1 className="px-2 font-semibold">{words.title}</h1>
        <a href={hrefOf(LINEAGE)} data-testid="lineage-link" className="ml-auto inline-flex items-center gap-1.5 rounded-lg px-2.5 py-1.5 text-sm text-muted hover:bg-hover hover:text-ink">
          <LineageIcon className="size-4.5" />
          {t.lineage.link}
        </a>
      </header>
      <ServerNotice />
      <div className="min-h-0 flex-1 overflow-y-auto" data-testid="flywheel">
        <div className="mx-auto flex max-w-5xl flex-col gap-4 px-3 pt-1 pb-10 md:px-6">
          <p className="text-sm text-muted">{words.intro}</p>
          {overview && <Overview overview={overview} />}
          {!overview && !failed && <p className="py-4 text-sm text-muted">{t.loading}</p>}
          {!overview && failed && (
            <div className="py-4 text-sm text-muted">
              <p className="mb-3">{words.loadFailed}</p>
              <Button onClick={() => void refreshOverview()}>{t.retry}</Button>
            </div>
          )}
          {overview && <CanaryCard overview={overview} />}
          {turn && <TurnView key={turn} id={turn} />}
          <ReviewQueue />
          {overview && <History overview={overview} />}
        </div>
      </div>
    </main>
  )
}
