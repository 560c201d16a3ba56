import { useEffect, useMemo, useState } from 'react'
import { ServerNotice } from '../chat/ServerNotice'
import { Choices } from '../flywheel/Choices'
import { useT } from '../i18n'
import { hrefOf, LINEAGE, lineageHref, useHash, type Direction } from '../state/route'
import { Button, IconButton } from '../ui/Button'
import { AlertIcon, SearchIcon, SidebarIcon } from '../ui/icons'
import type { Node } from './api'
import { Branch } from './Branch'
import { askedOf, openedAtFirst } from './tree'
import { useLineage } from './useLineage'

const DIRECTIONS: readonly Direction[] = ['up', 'down']

/** Where something came from, or what came of it. The address holds the question. */
export function LineagePage({ onToggleSidebar }: { onToggleSidebar: () => void }) {
  const t = useT()
  const words = t.lineage
  const { id, direction } = askedOf(useHash())
  const { tree, fault } = useLineage(id, direction)
  const key = `${direction} ${id}`

  useEffect(() => {
    document.title = `${words.title} · ${t.appName}`
  }, [words, t])

  return (
    <main id="lineage" tabIndex={-1} className="flex min-w-0 flex-1 flex-col outline-none">
      <header className="flex h-13 shrink-0 items-center gap-1 px-2 md:px-3">
        <IconButton label={t.sidebar.toggle} onClick={onToggleSidebar} className="size-9" data-testid="sidebar-toggle">
          <SidebarIcon />
        </IconButton>
        <h1 className="px-2 font-semibold">{words.title}</h1>
      </header>
      <ServerNotice />
      <div className="min-h-0 flex-1 overflow-y-auto" data-testid="lineage">
        <div className="mx-auto flex max-w-5xl flex-col gap-4 px-3 pt-1 pb-10 md:px-6">
          <p className="text-sm text-muted">{words.intro}</p>
          <Search key={id} id={id} direction={direction} />
          {id && (
            <Choices
              testId="lineage-direction"
              label={words.directionLabel}
              choices={DIRECTIONS}
              chosen={direction}
              names={words.directions}
              onChoose={(chosen) => (location.hash = lineageHref(id, chosen))}
            />
          )}
          {id && !tree && !fault && <p className="text-sm text-muted">{t.loading}</p>}
          {fault && (
            <p role="alert" data-testid="lineage-fault" className="flex items-start gap-1.5 text-sm text-danger [overflow-wrap:anywhere]">
              <AlertIcon className="size-4.5" />
              {fault}
            </p>
          )}
          {tree && <Tree key={key} tree={tree} direction={direction} />}
        </div>
      </div>
    </main>
  )
}

function Search({ id, direction }: { id: string; direction: Direction }) {
  const words = useT().lineage
  const [what, setWhat] = useState(id)
  return (
    <form
      role="search"
      aria-label={words.title}
      className="flex gap-2"
      onSubmit={(event) => {
        event.preventDefault()
        location.hash = what.trim() ? lineageHref(what.trim(), direction) : hrefOf(LINEAGE)
      }}
    >
      <div className="relative min-w-0 flex-1">
        <SearchIcon className="pointer-events-none absolute top-2.5 left-3 size-4.5 text-muted" />
        <input
          type="text"
          inputMode="search"
          autoComplete="off"
          spellCheck={false}
          data-testid="lineage-search"
          aria-label={words.search}
          placeholder={words.placeholder}
          value={what}
          onChange={(event) => setWhat(event.target.value)}
          className="h-9.5 w-full rounded-xl border border-line bg-raised pr-3 pl-9.5 text-sm text-ellipsis focus:border-line-strong"
        />
      </div>
      <Button type="submit" className="min-h-9.5">
        {words.show}
      </Button>
    </form>
  )
}

function Tree({ tree, direction }: { tree: Node; direction: Direction }) {
  const words = useT().lineage
  const opened = useMemo(() => openedAtFirst(tree), [tree])
  return (
    <section aria-label={words.directions[direction]} className="rounded-2xl border border-line bg-raised p-2 shadow-low md:p-4">
      <ul data-testid="lineage-tree">
        <Branch node={tree} direction={direction} opened={opened} top />
      </ul>
      {tree.children.length === 0 && <p className="px-2 pt-2 text-sm text-muted">{words.nothing[direction]}</p>}
    </section>
  )
}
