import { useId, type ReactNode } from 'react'
import { useT } from '../i18n'
import type { Catalogue, Device } from './api'
import { parseContext, parseCount, parseDays, parseDollars, short, shortContext } from './quantities'
import type { Name } from './question'
import { decades, doublings } from './scales'
import { Slider } from './Slider'
import { ask, usePlan } from './store'

const whole = (value: number) => (value < 1e4 ? String(Math.round(value)) : short(value))

/** The quantities that have a slider: from where to where, and how they are read and written. */
const SLIDERS = {
  params: { stops: decades(1e7, 1e13, 20), parse: parseCount, write: (value: number) => short(value), wrong: 'count' },
  tokens: { stops: decades(1e8, 1e14, 20), parse: parseCount, write: (value: number) => short(value), wrong: 'count' },
  count: { stops: doublings(100_000), parse: parseCount, write: (value: number) => String(value), wrong: 'count' },
  budget: { stops: decades(100, 1e9, 20), parse: parseDollars, write: (value: number) => `${whole(value)}USD`, wrong: 'usd' },
  deadline: { stops: [...Array.from({ length: 13 }, (_, day) => day + 1), ...decades(14, 1400, 20)].map(Math.round), parse: parseDays, write: (value: number) => `${value}d`, wrong: 'days' },
  users: { stops: decades(1, 1e8, 10), parse: parseCount, write: whole, wrong: 'count' },
  context: { stops: doublings(1 << 20).filter((tokens) => tokens >= 512), parse: parseContext, write: shortContext, wrong: 'count' },
} as const

export function SliderOf({ name }: { name: keyof typeof SLIDERS }) {
  const words = useT().plan
  const value = usePlan(({ fields }) => fields[name] ?? '')
  const { stops, parse, write, wrong } = SLIDERS[name]
  return <Slider label={words.fields[name]} testId={`plan-${name}`} stops={stops} value={value} parse={parse} write={write} wrong={words.wrong[wrong]} onChange={(text) => ask({}, { [name]: text })} />
}

const BOX = 'h-9 w-full rounded-lg border border-line bg-canvas px-2.5 text-sm'

interface FieldProps {
  label: string
  hint?: string
  children: (ids: { id: string; 'aria-describedby'?: string }) => ReactNode
}

function Field({ label, hint, children }: FieldProps) {
  const id = useId()
  return (
    <div>
      <label htmlFor={id} className="mb-1 block text-sm font-medium">
        {label}
      </label>
      {children({ id, 'aria-describedby': hint ? `${id}-hint` : undefined })}
      {hint && (
        <p id={`${id}-hint`} className="mt-0.5 text-xs text-muted">
          {hint}
        </p>
      )}
    </div>
  )
}

/** A quantity without a slider. Empty: the planner's own default. */
export function TextOf({ name, hint, placeholder }: { name: Name & keyof ReturnType<typeof useT>['plan']['fields']; hint?: string; placeholder?: string }) {
  const words = useT().plan
  const value = usePlan(({ fields }) => fields[name] ?? '')
  return (
    <Field label={words.fields[name]} hint={hint}>
      {(ids) => (
        <input {...ids} type="text" data-testid={`plan-${name}`} value={value} placeholder={placeholder ?? words.byDefault} maxLength={100} onChange={({ target }) => ask({}, { [name]: target.value })} className={`${BOX} tabular-nums`} />
      )}
    </Field>
  )
}

/** One of a few words; the first, empty, is the planner's own default. */
export function ChoiceOf({ name, choices }: { name: 'precision' | 'recompute' | 'quantisation'; choices: readonly string[] }) {
  const words = useT().plan
  const value = usePlan(({ fields }) => fields[name] ?? '')
  return (
    <Field label={words.fields[name]}>
      {(ids) => (
        <select {...ids} data-testid={`plan-${name}`} value={value} onChange={({ target }) => ask({}, { [name]: target.value })} className={BOX}>
          {choices.map((choice) => (
            <option key={choice} value={choice}>
              {choice || words.byDefault}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

/** The devices by vendor, each with the process of its chip. */
export function vendorsOf(devices: readonly Device[]): [string, Device[]][] {
  const vendors = new Map<string, Device[]>()
  for (const device of devices) vendors.set(device.vendor, [...(vendors.get(device.vendor) ?? []), device])
  return [...vendors]
}

export function DeviceSelect({ catalogue, any = false }: { catalogue: Catalogue; any?: boolean }) {
  const words = useT().plan
  const device = usePlan(({ fields }) => fields.device ?? '')
  const value = device || any ? device : 'H100 SXM 80GB'
  const known = !value || value === 'here' || catalogue.devices.some(({ name }) => name === value)
  return (
    <Field label={words.fields.device}>
      {(ids) => (
        <select {...ids} data-testid="plan-device" value={value} onChange={({ target }) => ask({}, { device: target.value })} className={BOX}>
          {any && <option value="">{words.anyDevice}</option>}
          {!known && <option value={value}>{value}</option>}
          {vendorsOf(catalogue.devices).map(([vendor, devices]) => (
            <optgroup key={vendor} label={vendor}>
              {devices.map(({ name, process_nm: nm }) => (
                <option key={name} value={name}>
                  {nm === null ? name : `${name} · ${words.compare.process(nm)}`}
                </option>
              ))}
            </optgroup>
          ))}
          <option value="here">{words.here}</option>
        </select>
      )}
    </Field>
  )
}

export function ModelSelect({ catalogue }: { catalogue: Catalogue }) {
  const words = useT().plan
  const model = usePlan(({ fields }) => fields.model ?? '')
  return (
    <Field label={words.fields.model}>
      {(ids) => (
        <select {...ids} data-testid="plan-model" value={model} onChange={({ target }) => ask({}, { model: target.value })} className={BOX}>
          <option value="">{words.bySize}</option>
          {model && !(model in catalogue.models) && <option value={model}>{model}</option>}
          {Object.entries(catalogue.models).map(([name, params]) => (
            <option key={name} value={name}>
              {name} · {short(params)}
            </option>
          ))}
        </select>
      )}
    </Field>
  )
}

export function SpeculativeBox() {
  const words = useT().plan
  const on = usePlan(({ fields }) => fields.speculative === 'true')
  return (
    <label className="flex items-center gap-2 text-sm font-medium">
      <input type="checkbox" data-testid="plan-speculative" checked={on} onChange={({ target }) => ask({}, { speculative: target.checked ? 'true' : '' })} className="size-4 accent-accent" />
      {words.speculative}
    </label>
  )
}
