import type { TurnEvent } from './api'

export interface Point {
  step: number
  loss: number
}

export interface Curve {
  /** What was trained: `sft`, `dpo`, `kto`. */
  objective: string
  points: Point[]
  /** That it has in all. */
  steps: number
}

/** The loss of each objective by step. Steps that a resumed turn made again count once, as they came out last. */
export function curvesOf(events: readonly TurnEvent[]): Curve[] {
  const curves = new Map<string, { losses: Map<number, number>; steps: number }>()
  for (const { event, part, step, steps, loss } of events) {
    if (event !== 'step' || typeof step !== 'number' || typeof loss !== 'number') continue
    const objective = typeof part === 'string' ? part : 'sft'
    const curve = curves.get(objective) ?? { losses: new Map<number, number>(), steps: 0 }
    curve.losses.set(step, loss)
    if (typeof steps === 'number') curve.steps = steps
    curves.set(objective, curve)
  }
  return [...curves].map(([objective, { losses, steps }]) => ({
    objective,
    steps,
    points: [...losses].map(([step, loss]) => ({ step, loss })).sort((a, b) => a.step - b.step),
  }))
}

/** An SVG path through the points, from 0 to the highest loss, over `steps` steps. */
export function curvePath(points: readonly Point[], steps: number, width: number, height: number): string {
  const top = Math.max(...points.map(({ loss }) => loss), 0)
  const x = (step: number) => (steps > 1 ? ((step - 1) / (steps - 1)) * width : 0)
  const y = (loss: number) => (top > 0 ? height - (loss / top) * height : height)
  return points.map(({ step, loss }, at) => `${at ? 'L' : 'M'}${round(x(step))} ${round(y(loss))}`).join('')
}

const round = (value: number): number => Math.round(value * 100) / 100
