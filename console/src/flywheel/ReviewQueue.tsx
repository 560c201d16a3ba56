import { useEffect, useRef } from 'react'
import { useT } from '../i18n'
import { Button } from '../ui/Button'
import type { ItemState } from './api'
import { Card } from './Card'
import { Choices } from './Choices'
import { actionFor, ACTIONS, KEYS, type Action } from './keys'
import { Key } from './parts'
import { grouped, rowId } from './queue'
import { ReviewItem } from './ReviewItem'
import { act, refreshItems, showTab, useFlywheel } from './store'

const TABS: readonly ItemState[] = ['pending', 'accepted', 'rejected', 'taken']

export function ReviewQueue() {
  const t = useT()
  const words = t.flywheel.review
  const { overview, tab, items, total, load, selected, drafts } = useFlywheel()
  const box = useRef<HTMLDivElement>(null)
  const editing = selected !== null && drafts[selected] !== undefined
  useKeys(box)
  useFocusFollows(box, load === 'loaded' ? selected : null, editing)

  return (
    <Card
      title={words.title}
      testId="review"
      beside={<Choices testId="review-tab" label={words.tabsLabel} choices={TABS} chosen={tab} names={words.tabs} counts={overview?.items} onChoose={showTab} />}
    >
      {/* Takes the focus when no item is left to have it; the keys are those of the buttons inside. */}
      <div ref={box} role="group" aria-label={words.tabs[tab]} tabIndex={-1} className="rounded-lg outline-none">
        {items.length > 0 && <KeysLine actions={[...ACTIONS[tab], 'next', 'previous']} />}
        {load === 'loading' && <p className="py-3 text-sm text-muted">{t.loading}</p>}
        {load === 'failed' && (
          <div className="py-3 text-sm text-muted">
            <p className="mb-3">{words.loadFailed}</p>
            <Button onClick={() => void refreshItems()}>{t.retry}</Button>
          </div>
        )}
        {load === 'loaded' && items.length === 0 && (
          <p className="py-3 text-sm text-muted" data-testid="review-empty">
            {words.empty[tab]}
          </p>
        )}
        <ol className="flex flex-col gap-1.5">
          {grouped(items).map((group) => {
            const rows = group.map((item) => (
              <ReviewItem key={item.id} item={item} open={item.id === selected} draft={drafts[item.id]} actions={ACTIONS[tab]} />
            ))
            if (rows.length === 1) return rows
            return (
              <li key={group[0]?.group} data-testid="review-group" className="rounded-r-xl border-l-3 border-accent pl-2.5">
                <p className="py-1 text-xs font-medium text-muted">{words.alike(rows.length)}</p>
                <ol className="flex flex-col gap-1.5">{rows}</ol>
              </li>
            )
          })}
        </ol>
        {total > items.length && <p className="pt-3 text-xs text-muted">{words.more(items.length, total)}</p>}
      </div>
    </Card>
  )
}

function KeysLine({ actions }: { actions: readonly Action[] }) {
  const words = useT().flywheel.review
  return (
    <p data-testid="review-keys" className="mb-3 flex flex-wrap items-center gap-x-3 gap-y-1 text-xs text-muted">
      {words.keys}
      {actions.map((action) => (
        <span key={action} className="inline-flex items-center gap-1.5">
          <Key>{KEYS[action].toUpperCase()}</Key>
          {words.actions[action]}
        </span>
      ))}
    </p>
  )
}

/** What the keys do that reach the queue. */
function useKeys(box: React.RefObject<HTMLDivElement | null>): void {
  useEffect(() => {
    const queue = box.current
    const onKey = (event: KeyboardEvent) => {
      const { key, ctrlKey, metaKey, altKey, isComposing, repeat, target } = event
      const { tagName } = target as HTMLElement
      const action = actionFor({ key, ctrlKey, metaKey, altKey, isComposing, repeat, tagName })
      const { items, selected } = useFlywheel.getState()
      const item = items.find(({ id }) => id === selected)
      if (!action || !item) return
      event.preventDefault()
      act(action, item)
    }
    queue?.addEventListener('keydown', onKey)
    return () => queue?.removeEventListener('keydown', onKey)
  }, [box])
}

/** The focus goes with the selection while it is in the queue, or nowhere; at first it comes here if the queue is in view. */
function useFocusFollows(box: React.RefObject<HTMLDivElement | null>, selected: string | null, editing: boolean): void {
  const arrived = useRef(false)
  useEffect(() => {
    const active = document.activeElement
    const inside = box.current?.contains(active) || active === document.body
    const row = selected === null ? null : document.getElementById(rowId(selected))
    if (!row) {
      if (arrived.current && inside) box.current?.focus()
      return
    }
    const visible = row.getBoundingClientRect().bottom < window.innerHeight
    const arriving = !arrived.current && visible && !active?.matches('textarea, input, dialog *')
    const followed = arrived.current && inside
    arrived.current = true
    if (editing || !(arriving || followed)) return
    row.focus({ preventScroll: true })
    if (followed) row.closest('li')?.scrollIntoView({ block: 'nearest' })
  }, [box, selected, editing])
}
