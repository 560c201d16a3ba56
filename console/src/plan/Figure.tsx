import type { ReactNode } from 'react'

interface Props {
  name: string
  value: ReactNode
  hint?: ReactNode
  testId?: string
  large?: boolean
}

/** A number, what it is of, and a word about it; stands in a `dl`. */
export function Figure({ name, value, hint, testId, large = false }: Props) {
  return (
    <div className="min-w-0">
      <dt className="text-xs text-muted">{name}</dt>
      <dd className={`font-semibold tabular-nums ${large ? 'text-xl' : 'text-sm'}`} data-testid={testId}>
        {value}
      </dd>
      {hint && <dd className="text-xs text-muted">{hint}</dd>}
    </div>
  )
}
