import { chartOf, type Point } from './chart'

const WIDTH = 340
const FRAME = { left: 44, right: WIDTH - 20, top: 10, bottom: 166 }
const HEIGHT = 202

interface Props {
  title: string
  /** What a screen reader says in place of the picture. */
  said: string
  points: readonly Point[]
  names: { x: string; y: string }
  write: { x: (value: number) => string; y: (value: number) => string }
  /** The present plan; its interval lies along one of the axes. */
  mark: { x: number; y: number; low: number; high: number; along: 'x' | 'y' }
  legend: { mark: string; band?: string; faint?: string }
  testId: string
}

/** A line and its band over two logarithmic axes, and where the present plan stands. */
export function LogChart({ title, said, points, names, write, mark, legend, testId }: Props) {
  const spread = [mark.low, mark.high]
  const chart = chartOf(points, FRAME, mark.along === 'x' ? [mark.x, ...spread] : [mark.x], mark.along === 'y' ? [mark.y, ...spread] : [mark.y])
  const { across, up } = chart
  const faint = points.some((point) => point.faint)
  const interval = mark.along === 'y' ? cross(across(mark.x), up(mark.low), up(mark.high)) : beam(up(mark.y), across(mark.low), across(mark.high))
  return (
    <figure className="min-w-0 max-w-lg" data-testid={testId}>
      <figcaption className="mb-1 text-sm font-medium">{title}</figcaption>
      <svg viewBox={`0 0 ${WIDTH} ${HEIGHT}`} role="img" aria-label={said} className="w-full" fill="none">
        {chart.y.ticks.map((tick) => (
          <g key={tick}>
            <path d={`M${FRAME.left} ${up(tick)}H${FRAME.right}`} className="stroke-line" />
            <text x={FRAME.left - 5} y={up(tick) + 3.5} textAnchor="end" className="fill-muted text-[11px]">
              {write.y(tick)}
            </text>
          </g>
        ))}
        {chart.x.ticks.map((tick) => (
          <g key={tick}>
            <path d={`M${across(tick)} ${FRAME.top}V${FRAME.bottom}`} className="stroke-line" />
            <text x={across(tick)} y={FRAME.bottom + 14} textAnchor="middle" className="fill-muted text-[11px]">
              {write.x(tick)}
            </text>
          </g>
        ))}
        <path d={chart.band} className="fill-accent/15" />
        <path d={chart.solid} className="stroke-accent" strokeWidth="2" strokeLinecap="round" />
        <path d={chart.dashed} className="stroke-line-strong" strokeWidth="1.5" strokeDasharray="2 4" strokeLinecap="round" />
        <path d={interval} className="stroke-ink" strokeWidth="1.5" strokeLinecap="round" />
        <circle cx={across(mark.x)} cy={up(mark.y)} r="4.5" className="fill-ink stroke-raised" strokeWidth="1.5" />
        <text x={FRAME.left - 40} y={HEIGHT - 4} className="fill-muted text-[11px]">
          ↑ {names.y}
        </text>
        <text x={FRAME.right} y={HEIGHT - 4} textAnchor="end" className="fill-muted text-[11px]">
          {names.x} →
        </text>
      </svg>
      <p aria-hidden="true" className="flex flex-wrap gap-x-3 text-xs text-muted">
        <span className="inline-flex items-center gap-1"><span className="size-2.5 rounded-full bg-ink" />{legend.mark}</span>
        {legend.band && <span className="inline-flex items-center gap-1"><span className="h-2.5 w-4 rounded-xs bg-accent/25" />{legend.band}</span>}
        {faint && <span className="inline-flex items-center gap-1"><span className="w-4 border-t-2 border-dotted border-line-strong" />{legend.faint}</span>}
      </p>
    </figure>
  )
}

const CAP = 4

/** Intervals with caps, upright and lying. */
const cross = (x: number, from: number, to: number) => `M${x} ${from}V${to}M${x - CAP} ${from}h${2 * CAP}M${x - CAP} ${to}h${2 * CAP}`
const beam = (y: number, from: number, to: number) => `M${from} ${y}H${to}M${from} ${y - CAP}v${2 * CAP}M${to} ${y - CAP}v${2 * CAP}`
