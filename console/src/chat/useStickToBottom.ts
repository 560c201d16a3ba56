import { useCallback, useEffect, useRef, useState } from 'react'

const NEAR_PX = 48

/**
 * Follows a growing text to its end until the reader scrolls up, and again once they come back down.
 * `scroller` is the element that scrolls, `content` what grows in it.
 */
export function useStickToBottom(resetKey: string) {
  const scroller = useRef<HTMLDivElement>(null)
  const content = useRef<HTMLDivElement>(null)
  const sticking = useRef(true)
  const lastTop = useRef(0)
  const [away, setAway] = useState(false)

  const toBottom = useCallback(() => {
    sticking.current = true
    setAway(false)
    const box = scroller.current
    if (box) box.scrollTop = box.scrollHeight
  }, [])

  useEffect(() => {
    const box = scroller.current
    const inner = content.current
    if (!box || !inner) return
    toBottom()
    const onScroll = () => {
      const near = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR_PX
      // Only a move upwards lets go: growth alone also takes the end out of sight.
      if (near) sticking.current = true
      else if (box.scrollTop < lastTop.current - 1) sticking.current = false
      lastTop.current = box.scrollTop
      setAway(!near && !sticking.current)
    }
    const follow = new ResizeObserver(() => {
      if (sticking.current) box.scrollTop = box.scrollHeight
    })
    box.addEventListener('scroll', onScroll, { passive: true })
    follow.observe(inner)
    follow.observe(box)
    return () => {
      box.removeEventListener('scroll', onScroll)
      follow.disconnect()
    }
  }, [toBottom, resetKey])

  return { scroller, content, away, toBottom }
}
