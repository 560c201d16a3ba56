import { memo, useState } from 'react'
import type { ConversationRow } from '../api/types'
import { useT } from '../i18n'
import { remove, rename, togglePin } from '../state/conversations'
import { hrefOf } from '../state/route'
import { useThread } from '../state/threads'
import { IconButton } from '../ui/Button'
import { DownloadIcon, EditIcon, MoreIcon, PinIcon, TrashIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'
import { Menu, MenuItem } from '../ui/Menu'
import { isComposing } from '../ui/TextArea'
import { Highlighted } from './Highlighted'

interface Props {
  row: ConversationRow
  query: string
  active: boolean
  onPick?: () => void
  onExport: (row: ConversationRow) => void
}

export const ConversationItem = memo(function ConversationItem({ row, query, active, onPick, onExport }: Props) {
  const t = useT()
  const [renaming, setRenaming] = useState(false)
  const { streaming, unseen } = useThread(row.id)
  const title = row.title || t.sidebar.untitled

  if (renaming) {
    return (
      <li className="px-0.5 py-0.5">
        <Rename title={row.title} onDone={(next) => {
          setRenaming(false)
          if (next !== null) void rename(row, next)
        }} />
      </li>
    )
  }
  return (
    <li
      data-testid="conversation-item"
      data-id={row.id}
      className={`group/item relative flex items-center rounded-lg ${active ? 'bg-soft' : 'hover:bg-hover'}`}
    >
      <a
        href={hrefOf(row.id)}
        onClick={onPick}
        onDoubleClick={() => setRenaming(true)}
        aria-current={active ? 'true' : undefined}
        className="flex min-w-0 flex-1 flex-col rounded-lg py-2 pr-9 pl-2.5 text-sm"
      >
        <span className={`flex items-center gap-1.5 ${active ? 'font-medium' : ''}`}>
          {streaming && (
            <span role="img" aria-label={t.sidebar.answering}>
              <Mark className="size-3.5" turning />
            </span>
          )}
          {unseen && !active && <span className="size-2 shrink-0 rounded-full bg-accent" role="img" aria-label={t.sidebar.unseen} />}
          <span className="truncate">
            <Highlighted text={title} query={query} />
          </span>
        </span>
        {query && row.snippet && (
          <span className="mt-0.5 line-clamp-2 text-xs text-muted">
            <Highlighted text={row.snippet} query={query} />
          </span>
        )}
      </a>
      <div className="absolute right-0.5 flex opacity-0 group-hover/item:opacity-100 focus-within:opacity-100 has-aria-expanded:opacity-100 pointer-coarse:opacity-100">
        <Menu
          align="end"
          label={t.sidebar.menu(title)}
          trigger={(props) => (
            <IconButton label={t.sidebar.menu(title)} data-tip={undefined} data-testid="conversation-menu" {...props}>
              <MoreIcon />
            </IconButton>
          )}
        >
          <MenuItem data-testid="rename" onClick={() => setRenaming(true)}>
            <EditIcon className="size-4.5 text-muted" /> {t.sidebar.rename}
          </MenuItem>
          <MenuItem data-testid="pin" onClick={() => void togglePin(row)}>
            <PinIcon className="size-4.5 text-muted" /> {row.pinned ? t.sidebar.unpin : t.sidebar.pin}
          </MenuItem>
          <MenuItem data-testid="export" onClick={() => onExport(row)}>
            <DownloadIcon className="size-4.5 text-muted" /> {t.sidebar.export}
          </MenuItem>
          <MenuItem data-testid="delete" className="text-danger" onClick={() => void remove(row)}>
            <TrashIcon className="size-4.5" /> {t.sidebar.delete}
          </MenuItem>
        </Menu>
      </div>
    </li>
  )
})

/** Enter or leaving the box saves, Escape does not. */
function Rename({ title, onDone }: { title: string; onDone: (title: string | null) => void }) {
  const t = useT()
  const [text, setText] = useState(title)
  return (
    <input
      ref={focusOnMount}
      data-testid="rename-input"
      aria-label={t.sidebar.renameLabel}
      value={text}
      maxLength={200}
      onChange={(event) => setText(event.target.value)}
      onBlur={() => onDone(text)}
      onKeyDown={(event) => {
        if (isComposing(event)) return
        if (event.key === 'Enter') onDone(text)
        if (event.key === 'Escape') {
          event.preventDefault()
          event.stopPropagation()
          onDone(null)
        }
      }}
      className="h-9 w-full rounded-lg border border-line-strong bg-raised px-2 text-sm"
    />
  )
}

function focusOnMount(input: HTMLInputElement | null): void {
  // After the menu that opened it has given its focus back.
  setTimeout(() => input?.select(), 30)
}
