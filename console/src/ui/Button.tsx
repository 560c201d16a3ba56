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

interface IconProps extends ComponentProps<'button'> {
  /** Its name: read out, and shown as the tooltip. */
  label: string
}

export function IconButton({ label, className = '', ...props }: IconProps) {
  return (
    <button
      type="button"
      aria-label={label}
      data-tip={label}
      className={`inline-flex size-8 shrink-0 items-center justify-center rounded-lg text-muted transition-colors hover:bg-hover hover:text-ink disabled:opacity-40 aria-pressed:bg-soft aria-pressed:text-accent aria-expanded:bg-hover aria-expanded:text-ink ${className}`}
      {...props}
    />
  )
}
