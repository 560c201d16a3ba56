import { useT } from '../i18n'
import { showBranch } from '../state/threads'
import { IconButton } from '../ui/Button'
import { ChevronLeftIcon, ChevronRightIcon } from '../ui/icons'

export interface BranchProps {
  threadKey: string
  /** The ids of all versions of this message, joined by spaces: a string compares by value, so memoising works. */
  siblings: string
  index: number
}

/** ‹ 2/3 › walks the versions of a message. */
export function BranchNav({ threadKey, siblings, index }: BranchProps) {
  const { chat } = useT()
  const ids = siblings.split(' ')
  if (ids.length < 2) return null
  const go = (to: number) => {
    const id = ids[to]
    if (id) showBranch(threadKey, id)
  }
  return (
    <div className="flex items-center text-muted">
      <IconButton label={chat.previous} disabled={index === 0} onClick={() => go(index - 1)} className="w-6" data-testid="branch-prev">
        <ChevronLeftIcon className="size-4" />
      </IconButton>
      <span className="text-xs tabular-nums" data-testid="branch-label">
        <span className="sr-only">{chat.branchOf(index + 1, ids.length)}</span>
        <span aria-hidden="true">
          {index + 1}/{ids.length}
        </span>
      </span>
      <IconButton label={chat.next} disabled={index === ids.length - 1} onClick={() => go(index + 1)} className="w-6" data-testid="branch-next">
        <ChevronRightIcon className="size-4" />
      </IconButton>
    </div>
  )
}
