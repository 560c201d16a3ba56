/** A model replica is a grid: a row for each device that shares a product, a column for each stage of the pipeline. */
export interface Drawing {
  /** Columns and rows that are drawn of a replica; fewer than there are if it would not fit on a page. */
  columns: number
  rows: number
  replicas: number
  /** What is left out. */
  hidden: { columns: number; rows: number; replicas: number }
}

const MOST_COLUMNS = 16
const MOST_ROWS = 8
const MOST_BOXES = 96
const MOST_REPLICAS = 12

/** How much of a layout is drawn: whole replicas as far as there is room for their boxes, at least one. */
export function drawingOf({ data, tensor, pipeline }: { data: number; tensor: number; pipeline: number }): Drawing {
  const columns = Math.min(pipeline, MOST_COLUMNS)
  const rows = Math.min(tensor, MOST_ROWS)
  const replicas = Math.max(1, Math.min(data, MOST_REPLICAS, Math.floor(MOST_BOXES / (columns * rows))))
  return { columns, rows, replicas, hidden: { columns: pipeline - columns, rows: tensor - rows, replicas: data - replicas } }
}
