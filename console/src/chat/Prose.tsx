import { lazy, Suspense } from 'react'

const load = () => import('../markdown/Markdown')
const Markdown = lazy(load)

// Fetched while the first question is still being typed. If that fails, as when the page is left, the first answer asks again.
if (typeof window !== 'undefined') setTimeout(() => void load().catch(() => undefined), 800)

/** A model's Markdown; the plain text until its (large) renderer is here, and while it is far out of sight. */
export function Prose({ text, near }: { text: string; near: boolean }) {
  const plain = <div className="leading-relaxed wrap-anywhere whitespace-pre-wrap">{text}</div>
  if (!near) return plain
  return (
    <Suspense fallback={plain}>
      <Markdown text={text} />
    </Suspense>
  )
}
