import type { ReactNode } from 'react'
import { useT } from '../i18n'
import { sendText } from '../state/answer'
import { usePrefs } from '../state/prefs'
import { modelFor, useServer } from '../state/server'
import { ChipIcon, FolderIcon, LockIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'

/** The empty chat: what is running, where the data lies, and three things to try. */
export function FirstRun({ threadKey }: { threadKey: string }) {
  const { firstRun: words, model: modelWords } = useT()
  const { status, models, reachable } = useServer()
  const defaults = usePrefs((prefs) => prefs.defaults)
  const model = modelFor(defaults, models)
  const upstream = model?.feilun.kind === 'upstream'
  const facts = model && [
    model.feilun.license ? words.licence(model.feilun.license) : words.noLicence,
    model.feilun.context_length && modelWords.context(model.feilun.context_length),
  ].filter(Boolean)
  return (
    <div data-testid="first-run" className="flex min-h-0 flex-1 flex-col overflow-y-auto px-4">
      <div className="m-auto w-full max-w-184 py-8">
        <Mark className="mx-auto size-14" />
        <p className="mt-4 text-center text-sm font-medium tracking-wide text-accent">飞轮 Feilun</p>
        <h2 className="mt-2 text-center text-2xl font-semibold text-balance max-md:text-xl">{words.title}</h2>
        <p className="mt-2 text-center text-balance text-muted">{words.subtitle}</p>

        <dl className="mt-9 grid gap-x-8 gap-y-5 rounded-2xl border border-line bg-raised p-5 shadow-low md:grid-cols-3">
          <Fact icon={<ChipIcon />} term={words.running} value={model?.id ?? status?.default_model ?? '…'} hint={facts?.join(' · ')} />
          <Fact icon={<FolderIcon />} term={words.data} value={status ? breakable(status.workspace) : '…'} hint={words.dataHint} />
          <Fact
            icon={<LockIcon />}
            term={words.privacy}
            value={upstream ? words.upstream : words.local}
            hint={upstream ? words.upstreamHint(model.feilun.source) : words.localHint}
          />
        </dl>

        <h3 className="mt-9 mb-3 text-center text-sm font-medium text-muted">{words.try}</h3>
        <ul className="grid gap-3 md:grid-cols-3">
          {words.ideas.map(({ title, prompt }) => (
            <li key={title}>
              <button
                type="button"
                data-testid="first-run-card"
                disabled={!status?.ready || !reachable}
                onClick={() => sendText(threadKey, prompt)}
                className="flex h-full w-full flex-col rounded-2xl border border-line bg-raised p-4 text-left shadow-low transition-colors hover:border-accent hover:bg-soft disabled:opacity-60"
              >
                <span className="text-sm font-medium text-accent">{title}</span>
                <span className="mt-1 text-sm text-muted">{prompt}</span>
              </button>
            </li>
          ))}
        </ul>
      </div>
    </div>
  )
}

/** A path breaks after its slashes, not inside a name. */
const breakable = (path: string): ReactNode =>
  path.split(/(?<=[\\/])/).map((part, index) => (
    <span key={index}>
      {part}
      <wbr />
    </span>
  ))

interface FactProps {
  icon: ReactNode
  term: string
  value: ReactNode
  hint?: string
}

function Fact({ icon, term, value, hint }: FactProps) {
  return (
    <div className="min-w-0">
      <dt className="flex items-center gap-2 text-xs font-medium text-muted">
        <span className="text-accent">{icon}</span>
        {term}
      </dt>
      <dd className="mt-1.5">
        <span className="block text-sm font-medium wrap-anywhere">{value}</span>
        {hint && <span className="mt-0.5 block text-xs text-muted">{hint}</span>}
      </dd>
    </div>
  )
}
