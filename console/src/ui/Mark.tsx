/** Feilun's mark: a flywheel whose curved spokes show that it turns. It turns indeed while an answer is written. */
export function Mark({ className = 'size-6', turning = false }: { className?: string; turning?: boolean }) {
  return (
    <svg viewBox="0 0 32 32" className={`${className} shrink-0 text-accent ${turning ? 'turning' : ''}`} fill="none" stroke="currentColor" strokeLinecap="round" aria-hidden="true">
      <circle cx="16" cy="16" r="12.5" strokeWidth="3" />
      {[0, 120, 240].map((angle) => (
        <path key={angle} d="M16 16C15.4 11.6 17.2 7.2 20.6 4.6" strokeWidth="2.6" transform={`rotate(${angle} 16 16)`} />
      ))}
      <circle cx="16" cy="16" r="3" fill="currentColor" stroke="none" />
    </svg>
  )
}
