import type { ReactNode } from 'react'

export function Key({ children }: { children: ReactNode }) {
  return <kbd className="min-w-5 rounded border border-line bg-panel px-1 text-center font-sans text-[0.6875rem] text-muted">{children}</kbd>
}

const TONES = { plain: 'bg-hover text-ink', good: 'bg-soft text-accent', warn: 'bg-warn-soft text-warn', bad: 'bg-danger-soft text-danger' }

export function Tag({ tone = 'plain', children }: { tone?: keyof typeof TONES; children: ReactNode }) {
  return <span className={`inline-flex items-center gap-1 rounded-md px-1.5 py-0.5 text-xs font-medium ${TONES[tone]}`}>{children}</span>
}

/** What somebody or some release said. */
export function Text({ label, beside, children }: { label: string; beside?: ReactNode; children: ReactNode }) {
  return (
    <div className="min-w-0 rounded-lg bg-panel px-3 py-2">
      <div className="mb-1 flex items-center justify-between gap-2 text-xs font-medium text-muted">
        {label}
        {beside}
      </div>
      {/* Long ones scroll, also by keyboard. */}
      <div tabIndex={0} role="group" aria-label={label} className="max-h-64 overflow-y-auto text-sm leading-relaxed break-words whitespace-pre-wrap">
        {children}
      </div>
    </div>
  )
}
