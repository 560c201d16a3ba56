import { useEffect, useRef, useState } from 'react'
import { useT } from '../i18n'
import { loadOlder, refreshList, searchList, useConversations } from '../state/conversations'
import { hrefOf, NEW, useCurrentKey } from '../state/route'
import type { ConversationRow } from '../api/types'
import { Button, IconButton } from '../ui/Button'
import { CloseIcon, ComposeIcon, DownloadIcon, SearchIcon } from '../ui/icons'
import { ConversationItem } from './ConversationItem'
import { ExportDialog, type ExportScope } from './ExportDialog'
import { groupByAge } from './groups'

const SEARCH_DELAY_MS = 250

/** Conversations: new, search, list. `onPick` closes the drawer on narrow screens. */
export function Sidebar({ onPick }: { onPick?: () => void }) {
  const t = useT()
  const [exporting, setExporting] = useState<ExportScope | null>(null)
  return (
    <aside aria-label={t.sidebar.label} className="flex w-68 min-w-0 shrink-0 flex-col border-r border-line bg-panel max-md:w-auto max-md:flex-1 max-md:border-0">
      <div className="flex flex-col gap-2 p-3 pb-2">
        <a
          href={hrefOf(NEW)}
          onClick={onPick}
          data-testid="new-chat"
          className="flex h-10 items-center gap-2.5 rounded-xl border border-line bg-raised px-3 text-sm font-medium shadow-low transition-colors hover:bg-hover"
        >
          <ComposeIcon className="size-5 text-accent" />
          {t.sidebar.newChat}
        </a>
        <Search />
      </div>
      <List onPick={onPick} onExport={setExporting} />
      <div className="border-t border-line p-2">
        <button
          type="button"
          data-testid="export-all-open"
          onClick={() => setExporting('all')}
          className="row-hit flex w-full items-center gap-2.5 px-2.5 py-2 text-left text-sm text-muted hover:text-ink"
        >
          <DownloadIcon className="size-4.5" />
          {t.sidebar.exportAll}
        </button>
      </div>
      <ExportDialog scope={exporting} onClose={() => setExporting(null)} />
    </aside>
  )
}

function Search() {
  const t = useT()
  const stored = useConversations((list) => list.query)
  const [query, setQuery] = useState(stored)
  const first = useRef(true)

  useEffect(() => {
    if (first.current) {
      first.current = false
      return
    }
    const timer = setTimeout(() => searchList(query.trim()), query ? SEARCH_DELAY_MS : 0)
    return () => clearTimeout(timer)
  }, [query])

  return (
    <div role="search" className="relative">
      <SearchIcon className="pointer-events-none absolute top-2.5 left-3 size-4.5 text-muted" />
      <input
        id="search"
        type="text"
        inputMode="search"
        autoComplete="off"
        data-testid="search"
        aria-label={t.sidebar.search}
        placeholder={t.sidebar.search}
        value={query}
        onChange={(event) => setQuery(event.target.value)}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || !query || event.nativeEvent.isComposing) return
          event.preventDefault()
          event.stopPropagation()
          setQuery('')
        }}
        className="h-9.5 w-full rounded-xl border border-transparent bg-hover pr-9 pl-9.5 text-sm focus:border-line-strong focus:bg-raised"
      />
      {query && (
        <IconButton label={t.sidebar.clearSearch} onClick={() => setQuery('')} className="absolute top-0.75 right-0.75">
          <CloseIcon className="size-4" />
        </IconButton>
      )}
    </div>
  )
}

interface ListProps {
  onPick?: () => void
  onExport: (row: ConversationRow) => void
}

function List({ onPick, onExport }: ListProps) {
  const t = useT()
  const current = useCurrentKey()
  const { rows, next, query, load } = useConversations()

  return (
    <div className="min-h-0 flex-1 overflow-y-auto px-2 pb-3">
      {load === 'failed' && (
        <div className="p-3 text-sm text-muted">
          <p>{t.sidebar.loadFailed}</p>
          <Button className="mt-2" onClick={() => void refreshList()}>
            {t.retry}
          </Button>
        </div>
      )}
      {load === 'loaded' && rows.length === 0 && (
        <p className="p-3 text-sm text-muted">{query ? t.sidebar.noMatches(query) : t.sidebar.empty}</p>
      )}
      {groupByAge(rows, query !== '').map(([group, members]) => (
        <section key={group} aria-labelledby={`group-${group}`}>
          <h2 id={`group-${group}`} className="px-2.5 pt-3 pb-1 text-xs font-medium text-muted">
            {t.sidebar.groups[group]}
          </h2>
          <ul>
            {members.map((row) => (
              <ConversationItem key={row.id} row={row} query={query} active={row.id === current} onPick={onPick} onExport={onExport} />
            ))}
          </ul>
        </section>
      ))}
      {next && (
        <Button tone="quiet" className="mt-2 w-full text-muted" onClick={() => void loadOlder()}>
          {t.sidebar.more}
        </Button>
      )}
    </div>
  )
}
