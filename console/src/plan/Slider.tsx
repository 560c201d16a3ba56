import { useId, useState } from 'react'
import { nearest } from './scales'

interface Props {
  label: string
  testId: string
  /** Where it stops, in ascending order. */
  stops: readonly number[]
  value: string
  parse: (text: string) => number | null
  /** How a stop is written into the field. */
  write: (value: number) => string
  /** What to say of a text that is no quantity. */
  wrong: string
  onChange: (text: string) => void
}

/** A slider over a scale of its own, and the same quantity as people write it, which may lie between the stops. */
export function Slider({ label, testId, stops, value, parse, write, wrong, onChange }: Props) {
  const id = useId()
  // What is typed and is no quantity stays in the field and goes no further.
  const [draft, setDraft] = useState<string | null>(null)
  const number = parse(value)
  const at = number === null ? 0 : nearest(stops, number)
  return (
    <div>
      <div className="mb-1 flex items-center justify-between gap-3">
        <label htmlFor={id} className="text-sm font-medium">
          {label}
        </label>
        <input
          type="text"
          aria-label={label}
          aria-invalid={draft !== null}
          aria-describedby={draft === null ? undefined : `${id}-wrong`}
          data-testid={`${testId}-text`}
          value={draft ?? value}
          onChange={({ target }) => {
            const known = parse(target.value) !== null
            setDraft(known ? null : target.value)
            if (known) onChange(target.value)
          }}
          onBlur={() => setDraft(null)}
          className="h-8 w-28 rounded-lg border border-line bg-canvas px-2 text-right text-sm tabular-nums aria-invalid:border-danger"
        />
      </div>
      <input
        id={id}
        type="range"
        data-testid={testId}
        min={0}
        max={stops.length - 1}
        step={1}
        value={at}
        aria-valuetext={value}
        onChange={({ target }) => {
          setDraft(null)
          onChange(write(stops[Number(target.value)] ?? 1))
        }}
        className="h-6 w-full accent-accent"
      />
      {draft !== null && (
        <p id={`${id}-wrong`} role="alert" className="text-xs text-danger">
          {wrong}
        </p>
      )}
    </div>
  )
}
