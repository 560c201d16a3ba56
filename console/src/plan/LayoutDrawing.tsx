import { useT } from '../i18n'
import type { Layout } from './api'
import { drawingOf } from './layout'
import { counted, percent, short } from './quantities'

const BOX = 12
const GAP = 3
const PAD = 5

/** The devices of a run: a frame for each replica of the model, in it a box for each device; and the layout in words. */
export function LayoutDrawing({ layout }: { layout: Layout }) {
  const words = useT().plan.layout
  const { columns, rows, replicas, hidden } = drawingOf(layout)
  const [width, height] = [columns, rows].map((n) => n * (BOX + GAP) - GAP + 2 * PAD) as [number, number]
  const left = [
    hidden.replicas && words.hiddenReplicas(counted(hidden.replicas)),
    hidden.columns && words.hiddenColumns(hidden.columns),
  ].filter((what) => typeof what === 'string')
  const title = words.said(layout.data, layout.tensor, layout.pipeline)
  const lines = [
    words.replicas(counted(layout.data)),
    words.tensor(layout.tensor),
    words.pipeline(layout.pipeline),
    words.zero[layout.zero] ?? `ZeRO ${layout.zero}`,
    words.recompute[layout.recompute],
    words.batch(layout.micro_batch, counted(layout.micro_batches), short(layout.batch_tokens)),
    ...(layout.bubble > 0 ? [words.bubble(percent(layout.bubble))] : []),
  ]
  return (
    <figure data-testid="plan-layout">
      <figcaption className="mb-2 text-sm font-medium">{title}</figcaption>
      <div className="flex flex-wrap gap-1.5" role="img" aria-label={`${title}. ${words.device}`}>
        {Array.from({ length: replicas }, (_, replica) => (
          <svg key={replica} viewBox={`0 0 ${width} ${height}`} width={width} height={height} className="max-w-full" aria-hidden="true">
            <rect x="0.5" y="0.5" width={width - 1} height={height - 1} rx="4" className="fill-panel stroke-line-strong" />
            {Array.from({ length: columns * rows }, (_, box) => (
              <rect
                key={box}
                x={PAD + (box % columns) * (BOX + GAP)}
                y={PAD + Math.floor(box / columns) * (BOX + GAP)}
                width={BOX}
                height={BOX}
                rx="2"
                className={(box % columns) % 2 ? 'fill-accent/55' : 'fill-accent'}
              />
            ))}
          </svg>
        ))}
      </div>
      <p className="mt-1.5 text-xs text-muted">
        {words.device} {left.length > 0 && words.hidden(left.join(', '))}
      </p>
      <ul className="mt-2 list-disc pl-4.5 text-sm">
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </figure>
  )
}
