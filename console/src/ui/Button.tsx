import type { ComponentProps } from 'react'

type Tone = 'plain' | 'accent' | 'quiet'

const TONES: Record<Tone, string> = {
  plain: 'border border-line bg-raised hover:bg-hover',
  accent: 'bg-accent text-on-accent hover:opacity-90',
  quiet: 'hover:bg-hover',
}

interface Props extends ComponentProps<'button'> {
  tone?: Tone
}

export function Button({ tone = 'plain', className = '', ...props }: Props) {
  return (
    <button
      type="button"
      className={`inline-flex min-h-9 shrink-0 items-center justify-center gap-1.5 rounded-lg px-3.5 text-sm font-medium whitespace-nowrap transition-colors disabled:opacity-50 ${TONES[tone]} ${className}`}
      {...props}
    />
  )
}

interface Named {
  /** Its name: read out, and shown as the tooltip. */
  label: string
}

const ICON = 'inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-muted transition-colors hover:bg-hover hover:text-ink'

export function IconButton({ label, className = '', ...props }: ComponentProps<'button'> & Named) {
  return (
    <button
      type="button"
      aria-label={label}
      data-tip={label}
      className={`${ICON} disabled:opacity-40 aria-pressed:bg-soft aria-pressed:text-accent aria-expanded:bg-hover aria-expanded:text-ink ${className}`}
      {...props}
    />
  )
}

/** As an IconButton, for what has an address. */
export function IconLink({ label, className = '', ...props }: ComponentProps<'a'> & Named) {
  return <a aria-label={label} data-tip={label} className={`${ICON} ${className}`} {...props} />
}
