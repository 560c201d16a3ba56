import { useId, useRef, useState, type ComponentProps, type CSSProperties, type KeyboardEvent, type ReactNode } from 'react'

/** What the element that opens a menu needs. */
export interface TriggerProps {
  popoverTarget: string
  'aria-haspopup': 'menu'
  'aria-expanded': boolean
}

interface Props {
  label: string
  trigger: (props: TriggerProps) => ReactNode
  align?: 'start' | 'end'
  children: ReactNode
}

/** A menu in the browser's own popover, which dismisses it and gives the focus back; the arrow keys are ours. */
export function Menu({ label, trigger, align = 'start', children }: Props) {
  const id = useId()
  const menu = useRef<HTMLDivElement>(null)
  const [open, setOpen] = useState(false)
  const [place, setPlace] = useState<CSSProperties>({})
  return (
    <>
      {trigger({ popoverTarget: id, 'aria-haspopup': 'menu', 'aria-expanded': open })}
      <div
        ref={menu}
        id={id}
        popover="auto"
        role="menu"
        tabIndex={-1}
        aria-label={label}
        style={place}
        onBeforeToggle={(event) => {
          const opening = event.newState === 'open'
          const opener = document.querySelector(`[popovertarget="${CSS.escape(id)}"]`)
          if (opening && opener) setPlace(placeBy(opener.getBoundingClientRect(), align))
          setOpen(opening)
        }}
        onToggle={() => {
          const items = itemsOf(menu.current)
          ;(items.find((item) => item.ariaChecked === 'true') ?? items[0])?.focus()
        }}
        onKeyDown={(event) => moveFocus(event, menu.current)}
        onClick={() => menu.current?.hidePopover()}
        className="m-0 min-w-44 max-w-[calc(100vw-1rem)] overflow-y-auto rounded-xl border border-line bg-raised p-1 text-ink shadow-float transition-opacity duration-100 outline-none starting:opacity-0"
      >
        {open && children}
      </div>
    </>
  )
}

const GAP = 6
const EDGE = 8

/** Below the trigger, or above it where there is more room. */
function placeBy({ top, bottom, left, right }: DOMRect, align: 'start' | 'end'): CSSProperties {
  const { innerWidth, innerHeight } = window
  const above = top > innerHeight - bottom
  const room = (above ? top : innerHeight - bottom) - GAP - EDGE
  return {
    inset: 'auto',
    maxHeight: Math.min(room, 448),
    ...(above ? { bottom: innerHeight - top + GAP } : { top: bottom + GAP }),
    ...(align === 'start' ? { left: Math.max(EDGE, left) } : { right: Math.max(EDGE, innerWidth - right) }),
  }
}

const itemsOf = (menu: HTMLElement | null): HTMLElement[] => [...(menu?.querySelectorAll<HTMLElement>('[role^="menuitem"]') ?? [])]

function moveFocus(event: KeyboardEvent, menu: HTMLElement | null): void {
  const items = itemsOf(menu)
  const at = items.indexOf(document.activeElement as HTMLElement)
  const to = {
    ArrowDown: (at + 1) % items.length,
    ArrowUp: (at - 1 + items.length) % items.length,
    Home: 0,
    End: items.length - 1,
  }[event.key]
  if (to !== undefined) {
    event.preventDefault()
    items[to]?.focus()
  } else if (event.key === 'Tab') {
    menu?.hidePopover()
  }
}

const ROW = 'flex w-full items-center gap-2.5 rounded-lg px-2.5 py-2 text-left text-sm outline-none select-none hover:bg-hover focus:bg-hover'

export function MenuItem({ className = '', ...props }: ComponentProps<'button'>) {
  return <button type="button" role="menuitem" tabIndex={-1} className={`${ROW} ${className}`} {...props} />
}

/** One of several choices, of which one holds. */
export function MenuChoice({ checked, ...props }: ComponentProps<'button'> & { checked: boolean }) {
  return <button type="button" role="menuitemradio" aria-checked={checked} tabIndex={-1} className={ROW} {...props} />
}
