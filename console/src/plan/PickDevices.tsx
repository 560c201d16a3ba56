import { useT } from '../i18n'
import { Button } from '../ui/Button'
import type { Catalogue } from './api'
import { vendorsOf } from './fields'
import { ask, usePlan } from './store'

/** Which devices stand side by side. The order in which they are chosen is theirs in the answer. */
export function PickDevices({ catalogue }: { catalogue: Catalogue }) {
  const words = useT().plan.compare
  const { process } = words
  const chosen = usePlan((question) => question.devices)
  const toggle = (name: string) => ask({ devices: chosen.includes(name) ? chosen.filter((one) => one !== name) : [...chosen, name] })
  return (
    <details data-testid="plan-devices">
      <summary className="py-1 text-sm font-medium hover:text-accent">{words.choose}</summary>
      {chosen.length > 0 && (
        <div className="mt-1 flex flex-wrap items-center justify-between gap-2 text-xs text-muted">
          {words.chosen(chosen.length)}
          <Button tone="quiet" onClick={() => ask({ devices: [] })}>
            {words.usual}
          </Button>
        </div>
      )}
      <div tabIndex={0} role="group" aria-label={words.choose} className="mt-1 max-h-72 overflow-y-auto rounded-lg border border-line px-2.5 py-1">
        {vendorsOf(catalogue.devices).map(([vendor, devices]) => (
          <fieldset key={vendor} className="py-1">
            <legend className="text-xs font-medium text-muted">{vendor}</legend>
            {devices.map(({ name, process_nm: nm }) => (
              <label key={name} className="flex items-center gap-2 py-1 text-sm">
                <input type="checkbox" checked={chosen.includes(name)} onChange={() => toggle(name)} className="size-4 shrink-0 accent-accent" />
                <span className="min-w-0 flex-1">{name}</span>
                {nm !== null && <span className="text-xs text-muted">{process(nm)}</span>}
              </label>
            ))}
          </fieldset>
        ))}
      </div>
    </details>
  )
}
