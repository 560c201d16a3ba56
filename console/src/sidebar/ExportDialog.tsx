import { EXPORT_ALL_URL, exportUrl } from '../api/console'
import type { ConversationRow } from '../api/types'
import { useT } from '../i18n'
import { Dialog } from '../ui/Dialog'
import { DownloadIcon } from '../ui/icons'

export type ExportScope = ConversationRow | 'all'

/** Offers downloads as plain links: the browser does the rest. */
export function ExportDialog({ scope, onClose }: { scope: ExportScope | null; onClose: () => void }) {
  const t = useT()
  const words = t.export
  const row = scope === 'all' ? null : scope
  return (
    <Dialog open={scope !== null} onClose={onClose} title={words.title} hint={row?.title}>
      <div className="flex flex-col gap-2 px-5 pb-5">
        {row && <Choice testId="export-markdown" href={exportUrl(row.id, 'markdown')} name={words.markdown} hint={words.markdownHint} onDone={onClose} />}
        {row && <Choice testId="export-jsonl" href={exportUrl(row.id, 'jsonl')} name={words.jsonl} hint={words.jsonlHint} onDone={onClose} />}
        <Choice testId="export-all" href={EXPORT_ALL_URL} name={words.all} hint={words.allHint} onDone={onClose} />
      </div>
    </Dialog>
  )
}

interface ChoiceProps {
  href: string
  name: string
  hint: string
  testId: string
  onDone: () => void
}

function Choice({ href, name, hint, testId, onDone }: ChoiceProps) {
  return (
    <a href={href} download data-testid={testId} onClick={() => setTimeout(onDone)} className="flex items-center gap-3 rounded-xl border border-line bg-raised px-4 py-3 hover:bg-hover">
      <DownloadIcon className="size-5 shrink-0 text-accent" />
      <span>
        <span className="block text-sm font-medium">{name}</span>
        <span className="block text-xs text-muted">{hint}</span>
      </span>
    </a>
  )
}
