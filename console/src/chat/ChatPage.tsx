import { useEffect, useState } from 'react'
import { useT } from '../i18n'
import { usePrefs } from '../state/prefs'
import { hrefOf, NEW } from '../state/route'
import { loadThread, updateThread, useThread } from '../state/threads'
import { Button, IconButton } from '../ui/Button'
import { ComposeIcon, SidebarIcon, SlidersIcon } from '../ui/icons'
import { SettingsSheet } from '../settings/SettingsSheet'
import { Composer } from './Composer'
import { FirstRun } from './FirstRun'
import { MessageList } from './MessageList'
import { ModelPicker } from './ModelPicker'
import { ServerNotice } from './ServerNotice'

interface Props {
  threadKey: string
  onToggleSidebar: () => void
}

export function ChatPage({ threadKey, onToggleSidebar }: Props) {
  const t = useT()
  const { load, title, messages } = useThread(threadKey)
  const sidebarOpen = usePrefs((prefs) => prefs.sidebarOpen)
  const [settingsOpen, setSettingsOpen] = useState(false)
  // The server names a conversation after its first words; until it has, so do we.
  const name = title || (messages[0]?.content ?? '').slice(0, 60)
  const shown = name || (threadKey === NEW ? t.sidebar.newChat : t.chat.title)

  useEffect(() => {
    void loadThread(threadKey)
    return () => updateThread(threadKey, { unseen: false })
  }, [threadKey])
  useEffect(() => {
    document.title = name ? `${name} · ${t.appName}` : t.appName
  }, [name, t])

  return (
    <main className="flex min-w-0 flex-1 flex-col">
      <header className="flex h-13 shrink-0 items-center gap-1 px-2 md:px-3">
        <IconButton label={t.sidebar.toggle} onClick={onToggleSidebar} className="size-9" data-testid="sidebar-toggle">
          <SidebarIcon />
        </IconButton>
        <ModelPicker threadKey={threadKey} />
        <h1 className="min-w-0 flex-1 truncate px-2 text-center text-sm text-muted max-md:sr-only">{shown}</h1>
        <div className="flex-1 md:hidden" />
        <a href={hrefOf(NEW)} aria-label={t.sidebar.newChat} data-tip={t.sidebar.newChat} data-testid="new-chat-top" className={`inline-flex size-9 items-center justify-center rounded-lg text-muted hover:bg-hover hover:text-ink ${sidebarOpen ? 'md:hidden' : ''}`}>
          <ComposeIcon />
        </a>
        <IconButton label={threadKey === NEW ? t.settings.titleNew : t.settings.title} onClick={() => setSettingsOpen(true)} className="size-9" data-testid="settings-open">
          <SlidersIcon />
        </IconButton>
      </header>
      <ServerNotice />
      {load === 'loaded' && (messages.length ? <MessageList threadKey={threadKey} /> : <FirstRun threadKey={threadKey} />)}
      {load === 'loading' && <p className="flex-1 p-6 text-center text-sm text-muted">{t.loading}</p>}
      {load === 'missing' && <p className="flex-1 p-6 text-center text-sm text-muted">{t.chat.notFound}</p>}
      {load === 'failed' && (
        <div className="flex-1 p-6 text-center text-sm text-muted">
          <p className="mb-3">{t.chat.loadFailed}</p>
          <Button onClick={() => void loadThread(threadKey)}>{t.retry}</Button>
        </div>
      )}
      {load !== 'missing' && <Composer threadKey={threadKey} />}
      <SettingsSheet threadKey={threadKey} open={settingsOpen} onClose={() => setSettingsOpen(false)} />
    </main>
  )
}
