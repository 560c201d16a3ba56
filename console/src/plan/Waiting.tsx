import { useT } from '../i18n'
import { Mark } from '../ui/Mark'

/** The answer that is shown, if any, is that of an earlier question. */
export function Waiting() {
  const words = useT().plan
  return (
    <span className="inline-flex items-center gap-1.5 text-xs text-muted" data-testid="plan-waiting">
      <Mark className="size-3.5" turning />
      {words.stale}
    </span>
  )
}
