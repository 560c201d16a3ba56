import { useT } from '../i18n'
import { gigabytes } from './quantities'

const WIDTH = 600
/** Share of a device's memory that can be filled, as in `feilun.plan.memory`. */
const ROOM = 0.92

const FILLS = ['fill-part-1', 'fill-part-2', 'fill-part-3', 'fill-part-4', 'fill-part-5', 'fill-part-6']
const SWATCHES = ['bg-part-1', 'bg-part-2', 'bg-part-3', 'bg-part-4', 'bg-part-5', 'bg-part-6']

interface Props {
  /** By name, in GB. */
  parts: Partial<Record<keyof ReturnType<typeof useT>['plan']['memory']['parts'], number>>
  /** Of the device, in GB. */
  all: number
  room?: number
}

/** What one device holds, part beside part, and what is free. */
export function MemoryBar({ parts, all, room = ROOM }: Props) {
  const words = useT().plan.memory
  const shown = Object.entries(parts).filter(([, gb]) => gb > 0) as [keyof typeof words.parts, number][]
  const used = shown.reduce((sum, [, gb]) => sum + gb, 0)
  const scale = WIDTH / Math.max(all, used)
  let at = 0
  const listed = [...shown.map(([name, gb]) => `${words.parts[name]} ${gigabytes(gb)}`), `${words.parts.free} ${gigabytes(Math.max(0, all - used))}`]
  return (
    <figure data-testid="plan-memory">
      <figcaption className="mb-1 flex justify-between gap-3 text-sm">
        <span className="font-medium">{words.title}</span>
        <span className="text-muted tabular-nums">{words.said(gigabytes(used), gigabytes(all))}</span>
      </figcaption>
      <svg viewBox={`0 0 ${WIDTH} 28`} preserveAspectRatio="none" role="img" aria-label={`${words.said(gigabytes(used), gigabytes(all))}: ${listed.join(', ')}`} className="h-7 w-full">
        <rect width={all * scale} height="28" className="fill-hover" />
        {shown.map(([name, gb], part) => {
          const x = at
          at += gb * scale
          return <rect key={name} x={x} width={Math.max(1, gb * scale - 1.5)} height="28" className={FILLS[part]} />
        })}
        <path d={`M${room * all * scale} 0V28`} className="stroke-ink" strokeWidth="2" strokeDasharray="3 3" vectorEffect="non-scaling-stroke" />
      </svg>
      <ul aria-hidden="true" className="mt-1.5 flex flex-wrap gap-x-4 gap-y-1 text-xs text-muted">
        {listed.map((line, part) => (
          <li key={line} className="inline-flex items-center gap-1.5 tabular-nums">
            <span className={`size-2.5 rounded-xs ${part < shown.length ? SWATCHES[part] : 'border border-line-strong bg-hover'}`} />
            {line}
          </li>
        ))}
      </ul>
      <p className="mt-1 text-xs text-muted">{words.room}</p>
    </figure>
  )
}
