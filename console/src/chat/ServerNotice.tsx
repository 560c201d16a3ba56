import { useT } from '../i18n'
import { useServer } from '../state/server'
import { AlertIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'

/** A quiet line while the server is away or getting ready; it goes by itself. */
export function ServerNotice() {
  const t = useT()
  const { reachable, status } = useServer()
  const away = !reachable
  const waiting = reachable && status !== null && !status.ready
  return (
    <div role="status">
      {(away || waiting) && (
        <p data-testid="server-notice" className="appear mx-3 flex items-center justify-center gap-2 rounded-lg bg-warn-soft px-3 py-2 text-sm text-warn">
          {away ? <AlertIcon className="size-4.5 shrink-0" /> : <Mark className="size-4" turning />}
          {away ? t.server.unreachable : (status?.reason ?? t.server.notReady)}
        </p>
      )}
    </div>
  )
}
