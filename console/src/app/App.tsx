import { useEffect, useState } from 'react'
import { ChatPage } from '../chat/ChatPage'
import { FlywheelPage } from '../flywheel/FlywheelPage'
import { applyLang, useLang, useT } from '../i18n'
import { LineagePage } from '../lineage/LineagePage'
import { PlanPage } from '../plan/PlanPage'
import { Sidebar } from '../sidebar/Sidebar'
import { refreshList } from '../state/conversations'
import { applyTheme, usePrefs } from '../state/prefs'
import { FLYWHEEL, LINEAGE, PLAN, useCurrentKey } from '../state/route'
import { useServer, watchServer } from '../state/server'
import { Dialog } from '../ui/Dialog'
import { Spoken, Toasts } from '../ui/Toasts'
import { Tooltips } from '../ui/Tooltips'
import { HelpDialog } from './HelpDialog'
import { Rail } from './Rail'
import { useShortcuts } from './shortcuts'
import { useWide } from './useWide'

/** Rail, sidebar and page; on a narrow screen the first two are a drawer. */
export function App() {
  const t = useT()
  const lang = useLang()
  const theme = usePrefs((prefs) => prefs.theme)
  const sidebarOpen = usePrefs((prefs) => prefs.sidebarOpen)
  const reachable = useServer((server) => server.reachable)
  const wide = useWide()
  const key = useCurrentKey()
  // Where the drawer was opened: moving to another chat closes it.
  const [drawerAt, setDrawerAt] = useState<string | null>(null)
  const drawer = drawerAt === key
  const [help, setHelp] = useState(false)

  useEffect(() => applyLang(lang), [lang])
  useEffect(() => applyTheme(theme), [theme])
  useEffect(() => {
    void watchServer()
    const look = () => void watchServer()
    window.addEventListener('focus', look)
    return () => window.removeEventListener('focus', look)
  }, [])
  // Also when the server is back, or answers in another language.
  useEffect(() => {
    if (reachable) void refreshList()
  }, [reachable])

  const toggleSidebar = () => {
    if (wide) usePrefs.getState().set({ sidebarOpen: !sidebarOpen })
    else setDrawerAt(drawer ? null : key)
  }
  const openSidebar = () => {
    if (wide) usePrefs.getState().set({ sidebarOpen: true })
    else setDrawerAt(key)
  }
  useShortcuts({ toggleSidebar, openSidebar, openHelp: () => setHelp(true) })

  const closeDrawer = () => setDrawerAt(null)
  const rail = <Rail onHelp={() => setHelp(true)} onPick={closeDrawer} />
  const page = key === FLYWHEEL || key === PLAN || key === LINEAGE ? key : null
  return (
    <div className="flex h-dvh">
      <a href={`#${page ?? 'composer'}`} className="sr-only z-70 rounded-lg bg-accent px-3 py-2 text-on-accent focus:not-sr-only focus:fixed focus:top-2 focus:left-2" onClick={focusPage}>
        {page ? t[page].skip : t.skipToComposer}
      </a>
      {wide && rail}
      {wide && sidebarOpen && <Sidebar />}
      {page === FLYWHEEL && <FlywheelPage onToggleSidebar={toggleSidebar} />}
      {page === PLAN && <PlanPage onToggleSidebar={toggleSidebar} />}
      {page === LINEAGE && <LineagePage onToggleSidebar={toggleSidebar} />}
      {!page && <ChatPage threadKey={key} onToggleSidebar={toggleSidebar} />}
      {!wide && (
        <Dialog open={drawer} onClose={closeDrawer} title={t.sidebar.label} place="left">
          <div className="flex min-h-0 flex-1">
            {rail}
            <Sidebar onPick={closeDrawer} />
          </div>
        </Dialog>
      )}
      <HelpDialog open={help} onClose={() => setHelp(false)} />
      <Toasts />
      <Spoken />
      <Tooltips />
    </div>
  )
}

/** A link by its look and its role only: the hash belongs to the router. */
function focusPage(event: React.MouseEvent<HTMLAnchorElement>): void {
  event.preventDefault()
  document.getElementById(event.currentTarget.hash.slice(1))?.focus()
}
