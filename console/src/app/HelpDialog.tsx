import { useT } from '../i18n'
import { Dialog } from '../ui/Dialog'
import { SHORTCUTS } from './shortcuts'

export function HelpDialog({ open, onClose }: { open: boolean; onClose: () => void }) {
  const t = useT()
  return (
    <Dialog open={open} onClose={onClose} title={t.help.title}>
      <dl className="px-5 pb-5 text-sm">
        {Object.entries(SHORTCUTS).map(([name, keys]) => (
          <div key={name} className="flex items-center justify-between border-t border-line py-2.5">
            <dt>{t.help[name as keyof typeof SHORTCUTS]}</dt>
            <dd className="flex gap-1">
              {keys.map((key) => (
                <kbd key={key} className="min-w-7 rounded-md border border-line bg-panel px-1.5 py-0.5 text-center font-sans text-xs text-muted">
                  {key}
                </kbd>
              ))}
            </dd>
          </div>
        ))}
      </dl>
    </Dialog>
  )
}
