import { useEffect, useState } from 'react'

const DELAY_MS = 450

interface Tip {
  text: string
  x: number
  y: number
  below: boolean
}

/** One tooltip for all: it shows the `data-tip` of what the mouse rests on. The same words are the control's name. */
export function Tooltips() {
  const [tip, setTip] = useState<Tip | null>(null)

  useEffect(() => {
    let timer: ReturnType<typeof setTimeout> | undefined
    const hide = () => {
      clearTimeout(timer)
      setTip(null)
    }
    const over = (event: PointerEvent) => {
      hide()
      const target = event.target instanceof Element ? event.target.closest<HTMLElement>('[data-tip]') : null
      if (!target || event.pointerType !== 'mouse') return
      timer = setTimeout(() => {
        const box = target.getBoundingClientRect()
        const below = box.bottom + 44 < window.innerHeight
        const text = target.dataset.tip
        if (text && target.isConnected) setTip({ text, x: box.left + box.width / 2, y: below ? box.bottom + 6 : box.top - 6, below })
      }, DELAY_MS)
    }
    const hiding = ['pointerdown', 'keydown', 'wheel', 'blur'] as const
    document.addEventListener('pointerover', over)
    for (const name of hiding) window.addEventListener(name, hide, { passive: true })
    return () => {
      hide()
      document.removeEventListener('pointerover', over)
      for (const name of hiding) window.removeEventListener(name, hide)
    }
  }, [])

  if (!tip) return null
  // Near the edges the tip leans inwards.
  const lean = tip.x < 110 ? '-12%' : tip.x > window.innerWidth - 110 ? '-88%' : '-50%'
  return (
    <div
      aria-hidden="true"
      className="pointer-events-none fixed z-70 w-max max-w-64 rounded-md bg-ink px-2 py-1 text-xs text-canvas shadow-low"
      style={{ left: tip.x, top: tip.y, transform: `translate(${lean}, ${tip.below ? '0' : '-100%'})` }}
    >
      {tip.text}
    </div>
  )
}
