import { logAxis, type Axis } from './scales'

export interface Point {
  x: number
  y: number
  /** The band about y; the same as y where nothing is known. */
  low: number
  high: number
  /** Reckoned, but not to be had. */
  faint: boolean
}

export interface Frame {
  left: number
  right: number
  top: number
  bottom: number
}

export interface Chart {
  x: Axis
  y: Axis
  across: (x: number) => number
  up: (y: number) => number
  band: string
  /** The stretches of the line that can be had, and those that cannot. */
  solid: string
  dashed: string
}

const round = (value: number): number => Math.round(value * 10) / 10

/** Points, in ascending order of x, as paths over two logarithmic axes. `held`: values of y that the axis must hold as well. */
export function chartOf(points: readonly Point[], frame: Frame, heldX: readonly number[] = [], heldY: readonly number[] = []): Chart {
  const x = logAxis([...points.map((point) => point.x), ...heldX])
  const y = logAxis([...points.flatMap((point) => [point.low, point.y, point.high]), ...heldY])
  const across = (value: number) => round(frame.left + x.at(value) * (frame.right - frame.left))
  const up = (value: number) => round(frame.bottom - y.at(value) * (frame.bottom - frame.top))
  const edge = (side: 'low' | 'high') => points.map((point) => `${across(point.x)} ${up(point[side])}`)
  const line = (faint: boolean) => {
    let path = ''
    points.slice(1).forEach((to, at) => {
      const from = points[at]
      // A stretch can be had if both of its ends can.
      if (from && (from.faint || to.faint) === faint) path += `M${across(from.x)} ${up(from.y)}L${across(to.x)} ${up(to.y)}`
    })
    return path
  }
  return { x, y, across, up, band: points.length ? `M${[...edge('high'), ...edge('low').reverse()].join('L')}Z` : '', solid: line(false), dashed: line(true) }
}
