import { useId, type ReactNode } from 'react'

interface Props {
  title: string
  /** At the right of the title. */
  beside?: ReactNode
  testId: string
  children: ReactNode
}

/** One part of the page. */
export function Card({ title, beside, testId, children }: Props) {
  const id = useId()
  return (
    <section aria-labelledby={id} data-testid={testId} className="rounded-2xl border border-line bg-raised p-4 shadow-low md:p-5">
      <div className="mb-3 flex flex-wrap items-center justify-between gap-x-4 gap-y-2">
        <h2 id={id} className="font-semibold">
          {title}
        </h2>
        {beside}
      </div>
      {children}
    </section>
  )
}
