import { useT } from '../i18n'
import { dismiss, useNotices } from '../state/notices'
import { IconButton } from './Button'
import { AlertIcon, CloseIcon } from './icons'

export function Toasts() {
  const t = useT()
  const toasts = useNotices((notices) => notices.toasts)
  return (
    <div role="status" aria-live="polite" className="pointer-events-none fixed inset-x-3 bottom-28 z-60 flex flex-col items-center gap-2">
      {toasts.map(({ id, text, tone, action }) => (
        <div key={id} className="appear pointer-events-auto flex max-w-full items-center gap-2 rounded-xl border border-line bg-raised py-1.5 pr-1.5 pl-3.5 text-sm shadow-float">
          {tone === 'error' && <AlertIcon className="size-4.5 shrink-0 text-danger" />}
          <span className="min-w-0 truncate">{text}</span>
          {action && (
            <button
              type="button"
              data-testid={action.testId}
              className="shrink-0 rounded-lg px-2.5 py-1.5 font-semibold text-accent hover:bg-hover"
              onClick={() => {
                dismiss(id)
                action.run()
              }}
            >
              {action.label}
            </button>
          )}
          <IconButton label={t.close} onClick={() => dismiss(id)}>
            <CloseIcon className="size-4" />
          </IconButton>
        </div>
      ))}
    </div>
  )
}

/** Tells screen readers what happens out of their focus. */
export function Spoken() {
  const spoken = useNotices((notices) => notices.spoken)
  return (
    <div role="status" aria-live="polite" className="sr-only" data-testid="spoken">
      {spoken}
    </div>
  )
}
