import { useT } from '../i18n'
import { curvePath, type Curve } from './curve'

const WIDTH = 320
const HEIGHT = 88

/** The training loss of an objective, step by step. `named`: whether to say which. */
export function LossCurve({ curve: { objective, points, steps }, named }: { curve: Curve; named: boolean }) {
  const words = useT().flywheel.turn
  const first = points[0]
  const last = points.at(-1)
  if (!first || !last) return null
  const top = Math.max(...points.map(({ loss }) => loss))
  const course = words.curve(first.loss.toFixed(2), last.loss.toFixed(2), last.step)
  const said = named ? `${words.objectives[objective] ?? objective} · ${course}` : course
  return (
    <figure className="mt-2 max-w-lg" data-testid="loss-curve" data-objective={objective}>
      <div className="flex gap-2">
        <div aria-hidden="true" className="flex flex-col justify-between text-right text-[0.6875rem] leading-none text-muted tabular-nums">
          <span>{top.toFixed(1)}</span>
          <span>0</span>
        </div>
        <svg viewBox={`-1 -1 ${WIDTH + 2} ${HEIGHT + 2}`} role="img" aria-label={said} preserveAspectRatio="none" className="h-22 min-w-0 flex-1" fill="none">
          {[0, 0.5, 1].map((at) => (
            <path key={at} d={`M0 ${at * HEIGHT}H${WIDTH}`} className="stroke-line" vectorEffect="non-scaling-stroke" />
          ))}
          <path d={curvePath(points, steps, WIDTH, HEIGHT)} className="stroke-accent" strokeWidth="2" strokeLinejoin="round" strokeLinecap="round" vectorEffect="non-scaling-stroke" />
        </svg>
      </div>
      <figcaption className="mt-1.5 text-xs text-muted">{said}</figcaption>
    </figure>
  )
}
