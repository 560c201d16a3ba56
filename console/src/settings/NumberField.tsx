import { useId, useState } from 'react'
import { useT } from '../i18n'

interface Props {
  label: string
  hint?: string
  testId: string
  min: number
  max: number
  value: number | undefined
  onChange: (value: number | undefined) => void
}

/** A whole number, or empty for the default. What is not a number in range is shown as wrong and not kept. */
export function NumberField({ label, hint, testId, min, max, value, onChange }: Props) {
  const { settings } = useT()
  const id = useId()
  const [text, setText] = useState(value === undefined ? '' : String(value))
  const parse = (input: string): number | undefined | null => {
    if (!input.trim()) return undefined
    const number = Number(input)
    return Number.isInteger(number) && number >= min && number <= max ? number : null
  }
  return (
    <div>
      <label htmlFor={id} className="mb-1.5 block text-sm font-medium">
        {label}
      </label>
      <input
        id={id}
        type="text"
        inputMode="numeric"
        data-testid={testId}
        placeholder={settings.auto}
        value={text}
        aria-invalid={parse(text) === null}
        aria-describedby={hint ? `${id}-hint` : undefined}
        onChange={(event) => {
          setText(event.target.value)
          const parsed = parse(event.target.value)
          if (parsed !== null) onChange(parsed)
        }}
        className="h-10 w-full rounded-xl border border-line bg-raised px-3 text-sm tabular-nums aria-invalid:border-danger"
      />
      {hint && (
        <p id={`${id}-hint`} className="mt-1 text-xs text-muted">
          {hint}
        </p>
      )}
    </div>
  )
}
