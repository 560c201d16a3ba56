import { useT } from '../i18n'
import { Button } from '../ui/Button'
import { AlertIcon } from '../ui/icons'
import type { Fits } from './api'
import { counted, gigabytes, short } from './quantities'
import { ask, usePlan } from './store'
import { useAnswer, type Answer } from './useAnswer'
import { Waiting } from './Waiting'

const WIDTH = 600

/** Why there is no plan, in the planner's words, and where it knows them the changes that would make one. */
export function Refusal({ fault, path, waiting }: { fault: NonNullable<Answer<unknown>['fault']>; path: string | null; waiting: boolean }) {
  const words = useT().plan.refusal
  const { plan: fits, path: of, waiting: looking } = useAnswer<Fits>(fault.code === 'does_not_fit' ? path : null, 0)
  return (
    <section role="status" data-testid="plan-refusal" className="rounded-2xl border border-warn bg-warn-soft p-4 md:p-5">
      <div className="mb-2 flex items-center justify-between gap-3">
        <h2 className="flex items-center gap-2 font-semibold text-warn">
          <AlertIcon className="size-5" />
          {words.title}
        </h2>
        {(waiting || looking) && <Waiting />}
      </div>
      <p className="text-sm">{fault.message}</p>
      {fits && of === path && <Changes fits={fits} />}
    </section>
  )
}

function Changes({ fits }: { fits: Fits }) {
  const words = useT().plan.refusal
  const serving = usePlan(({ tab }) => tab === 'serve')
  const { count, params, quantisation } = fits
  const changes = serving
    ? [
        quantisation !== null && params === null && { label: words.quantisation(quantisation), fields: { quantisation } },
        quantisation !== null && params !== null && { label: words.both(short(params), quantisation), fields: { quantisation, params: short(params), model: '' } },
      ]
    : [
        count !== null && { label: words.count(counted(count)), fields: { count: String(count) } },
        params !== null && { label: words.params(short(params)), fields: { params: short(params), active: '' } },
      ]
  const known = changes.filter((change) => change !== false)
  if (!known.length) return null
  const most = Math.max(fits.needs_gb, fits.has_gb)
  return (
    <>
      <dl className="mt-3 grid grid-cols-[max-content_minmax(0,1fr)_max-content] items-center gap-x-3 gap-y-1 text-xs">
        {([[words.needs, fits.needs_gb, 'fill-danger'], [words.has, fits.has_gb, 'fill-accent']] as const).map(([name, gb, fill]) => (
          <div key={name} className="contents">
            <dt>{name}</dt>
            <dd aria-hidden="true">
              <svg viewBox={`0 0 ${WIDTH} 10`} preserveAspectRatio="none" className="h-2.5 w-full">
                <rect width={(gb / most) * WIDTH} height="10" className={fill} />
              </svg>
            </dd>
            <dd className="tabular-nums">{gigabytes(gb)}</dd>
          </div>
        ))}
      </dl>
      <h3 className="mt-3 mb-1.5 text-sm font-medium">{words.fits}</h3>
      <div className="flex flex-wrap gap-2">
        {known.map(({ label, fields }) => (
          <Button key={label} onClick={() => ask({}, fields)} data-testid="plan-change">
            {label}
          </Button>
        ))}
      </div>
    </>
  )
}
