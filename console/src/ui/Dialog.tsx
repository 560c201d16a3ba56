import { useId, useLayoutEffect, useRef, type ReactNode } from 'react'
import { useT } from '../i18n'
import { IconButton } from './Button'
import { CloseIcon } from './icons'

interface Props {
  open: boolean
  onClose: () => void
  title: string
  hint?: string
  /** A card in the middle, a sheet at the right, or a drawer at the left (which has no visible title). */
  place?: 'middle' | 'right' | 'left'
  children: ReactNode
}

const PLACES = {
  middle: 'm-auto max-h-[85dvh] w-[min(30rem,calc(100vw-2rem))] rounded-2xl starting:scale-97 starting:opacity-0',
  right: 'my-0 mr-0 ml-auto h-dvh max-h-dvh w-[min(25rem,100vw)] max-w-none border-l border-line starting:translate-x-full',
  left: 'my-0 mr-auto ml-0 h-dvh max-h-dvh w-[min(21rem,88vw)] max-w-none starting:-translate-x-full',
}

/** The browser's own modal dialog: it keeps the focus inside, closes on Escape and gives the focus back. */
export function Dialog({ open, ...props }: Props) {
  return open ? <OpenDialog {...props} /> : null
}

function OpenDialog({ onClose, title, hint, place = 'middle', children }: Omit<Props, 'open'>) {
  const t = useT()
  const titleId = useId()
  const dialog = useRef<HTMLDialogElement>(null)

  useLayoutEffect(() => {
    const box = dialog.current
    box?.showModal()
    // Closing, unlike mere removal, hands the focus back.
    return () => box?.close()
  }, [])

  return (
    <dialog
      ref={dialog}
      aria-labelledby={titleId}
      onCancel={(event) => {
        event.preventDefault()
        onClose()
      }}
      // What the dialog itself receives fell on its backdrop: its content covers the rest.
      onPointerDown={(event) => event.target === dialog.current && onClose()}
      className={`bg-canvas text-ink shadow-float transition-all duration-200 ease-out outline-none backdrop:bg-veil ${PLACES[place]}`}
    >
      <div className="flex min-h-full flex-col">
        {place === 'left' ? (
          <h2 id={titleId} className="sr-only">
            {title}
          </h2>
        ) : (
          <header className="flex items-start gap-3 px-5 pt-4 pb-3">
            <div className="min-w-0 flex-1">
              <h2 id={titleId} className="text-lg font-semibold">
                {title}
              </h2>
              {hint && <p className="mt-0.5 text-sm text-muted">{hint}</p>}
            </div>
            <IconButton label={t.close} data-tip={undefined} onClick={onClose}>
              <CloseIcon />
            </IconButton>
          </header>
        )}
        {children}
      </div>
    </dialog>
  )
}
