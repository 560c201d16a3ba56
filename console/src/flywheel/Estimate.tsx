import { useLang, useT } from '../i18n'
import type { Overview } from './api'

/** What a turn of that which has gathered would cost, and what it is likely to bring. */
export function Estimate({ estimate }: Pick<Overview, 'estimate'>) {
  const title = useT().flywheel.estimate
  const lang = useLang()
  if (!estimate) return null
  const [size, cost, gain, grounds] = estimate.words.map((line) => line[lang])
  return (
    <section aria-label={title} data-testid="estimate" className="mt-4 border-t border-line pt-4 text-sm">
      <h3 className="mb-1.5 font-medium text-muted">{title}</h3>
      <ul className="flex flex-col gap-1">
        {[size, cost, gain].map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
      <p className="mt-1.5 text-xs text-muted">{grounds}</p>
    </section>
  )
}
