import { useEffect, useRef, useState } from 'react'

/** How far out of sight a message is made ready, so that one does not see it happen. */
const MARGIN = '1500px 0px'

/** Has this element come near the part in view yet? Rich rendering can wait for that. */
export function useNear<T extends Element>(from: boolean) {
  const ref = useRef<T>(null)
  const [near, setNear] = useState(from)

  useEffect(() => {
    const element = ref.current
    if (near || !element) return
    const observer = new IntersectionObserver(
      (entries) => {
        if (entries.some((entry) => entry.isIntersecting)) setNear(true)
      },
      // The root must be named for the margin to count inside a scroller.
      { root: element.closest('[data-scroller]'), rootMargin: MARGIN },
    )
    observer.observe(element)
    return () => observer.disconnect()
  }, [near])

  return { ref, near }
}
