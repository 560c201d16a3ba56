import { useT } from '../i18n'
import { Button } from '../ui/Button'
import { AlertIcon, RefreshIcon } from '../ui/icons'

interface Props {
  text: string
  tone?: 'quiet' | 'danger'
  onRetry?: () => void
}

/** Says that an answer did not end as it should, and offers to try again. */
export function StatusMark({ text, tone = 'quiet', onRetry }: Props) {
  const t = useT()
  const look = tone === 'danger' ? 'bg-danger-soft text-danger' : 'bg-panel text-muted'
  return (
    <div data-testid="status-mark" className={`mt-3 flex w-fit max-w-full items-center gap-2 rounded-lg py-1 pr-1.5 pl-3 text-sm ${look}`}>
      <AlertIcon className="size-4.5 shrink-0" />
      <span className="min-w-0 py-1 wrap-anywhere">{text}</span>
      {onRetry && (
        <Button tone="quiet" className="min-h-8 px-2.5" onClick={onRetry} data-testid="retry">
          <RefreshIcon className="size-4" />
          {t.retry}
        </Button>
      )}
    </div>
  )
}
