import { useId } from 'react'
import { useT } from '../i18n'

interface Props {
  label: string
  hint: string
  testId: string
  max: number
  step: number
  /** Where the slider stands while nothing is set. */
  start: number
  value: number | undefined
  onChange: (value: number | undefined) => void
}

/** A slider that can also be unset, which leaves the choice to the model's own defaults. */
export function RangeField({ label, hint, testId, max, step, start, value, onChange }: Props) {
  const { settings } = useT()
  const id = useId()
  const shown = value === undefined ? settings.auto : value.toFixed(2)
  return (
    <div>
      <div className="mb-1 flex items-center justify-between gap-3">
        <label htmlFor={id} className="text-sm font-medium">
          {label}
        </label>
        <span className="flex items-center gap-2 text-sm text-muted tabular-nums">
          {shown}
          {value !== undefined && (
            <button type="button" aria-label={settings.reset(label)} data-tip={settings.reset(label)} onClick={() => onChange(undefined)} className="rounded px-1 hover:text-ink">
              ↺
            </button>
          )}
        </span>
      </div>
      <input
        id={id}
        type="range"
        data-testid={testId}
        min={0}
        max={max}
        step={step}
        value={value ?? start}
        aria-valuetext={shown}
        aria-describedby={`${id}-hint`}
        onChange={(event) => onChange(Number(event.target.value))}
        className={`h-6 w-full accent-accent ${value === undefined ? 'opacity-50' : ''}`}
      />
      <p id={`${id}-hint`} className="text-xs text-muted">
        {hint}
      </p>
    </div>
  )
}
