import { useLang, useT } from '../i18n'
import type { Claim, Presets as Known } from './api'
import { counted, power, short, usd } from './quantities'
import type { Fields } from './question'
import { ask, usePlan } from './store'
import { useSpan } from './useSpan'

const fieldsOf = ({ params, tokens, device, count, tflops }: Claim): Fields => ({
  params, tokens, device, count: String(count), tflops: tflops === null ? '' : String(tflops), active: '', price: '', length: '', precision: '', recompute: '',
})

/** The four tiers, and claims that contradict each other; each with what it would mean. */
export function Presets({ known }: { known: Known }) {
  const words = useT().plan
  const lang = useLang()
  const { fields, goal } = usePlan()
  const claims = Object.values(known.claims)
  const groups = [...new Set(claims.map(({ group }) => group))].sort((a, b) => Number(b === 'tiers') - Number(a === 'tiers'))
  const chosen = goal === 'count' ? claims.find((claim) => Object.entries(fieldsOf(claim)).every(([name, value]) => (fields[name as keyof Fields] ?? '') === value)) : undefined
  return (
    <section aria-label={words.presets.label} data-testid="plan-presets" className="flex flex-col gap-2">
      <div className="flex flex-wrap gap-x-6 gap-y-2">
        {groups.map((group) => (
          <div key={group} role="group" aria-label={words.presets.groups[group] ?? group} className="flex flex-wrap items-center gap-1.5">
            <span aria-hidden="true" className="mr-0.5 text-xs text-muted">
              {words.presets.groups[group] ?? group}
            </span>
            {claims
              .filter((claim) => claim.group === group)
              .map((claim) => (
                <button
                  key={claim.name}
                  type="button"
                  aria-pressed={claim === chosen}
                  onClick={() => ask({ tab: 'train', goal: 'count' }, fieldsOf(claim))}
                  data-testid="plan-preset"
                  data-preset={claim.name}
                  className="min-h-7 rounded-full border border-line bg-raised px-2.5 text-xs hover:bg-hover aria-pressed:border-accent aria-pressed:bg-soft aria-pressed:text-accent"
                >
                  {words.presets.chips[claim.name] ?? claim.name}
                </button>
              ))}
          </div>
        ))}
      </div>
      {chosen && (
        <p className="text-sm" data-testid="plan-claim">
          {lang === 'zh' ? chosen.claim_zh : chosen.claim}
        </p>
      )}
      <details data-testid="plan-claims">
        <summary className="py-1 text-sm text-muted hover:text-ink">{words.presets.table}</summary>
        <ClaimsTable known={known} claims={claims} />
      </details>
    </section>
  )
}

function ClaimsTable({ known, claims }: { known: Known; claims: Claim[] }) {
  const words = useT().plan
  const lang = useLang()
  const said = useSpan()
  const heads = [words.presets.claim, words.numbers.expected, words.figures.cost, words.figures.power, words.figures.stops]
  return (
    <div tabIndex={0} role="group" aria-label={words.presets.table} className="mt-1 overflow-x-auto rounded-xl border border-line bg-raised">
      <table className="w-full min-w-xl text-left text-sm">
        <thead className="text-xs text-muted">
          <tr>
            {heads.map((head, at) => (
              <th key={head} scope="col" className={`px-3 py-2 font-medium ${at ? 'text-right' : ''}`}>
                {head}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {claims.map((claim) => {
            const plan = known.presets[claim.name]
            if (!plan) return null
            const { days, cost_usd: cost, energy, stops_per_day: stops } = plan
            const cells = [
              `${said(days.expected)}`,
              cost.expected === null ? words.noPrice : usd(cost.expected),
              power(energy.mw),
              stops >= 10 ? counted(stops) : short(stops),
            ]
            return (
              <tr key={claim.name} className="border-t border-line align-top">
                <th scope="row" className="px-3 py-2 font-normal">
                  {lang === 'zh' ? claim.claim_zh : claim.claim}
                  <span className="block text-xs text-muted">
                    {claim.params} · {claim.tokens} · {counted(claim.count)} × {claim.device}
                  </span>
                </th>
                {cells.map((cell, at) => (
                  <td key={heads[at + 1]} className="px-3 py-2 text-right whitespace-nowrap tabular-nums">
                    {cell}
                  </td>
                ))}
              </tr>
            )
          })}
        </tbody>
      </table>
    </div>
  )
}
