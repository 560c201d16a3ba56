import { useEffect, useLayoutEffect, useRef, type ComponentProps, type RefObject } from 'react'

interface Props extends Omit<ComponentProps<'textarea'>, 'ref'> {
  value: string
  inputRef?: RefObject<HTMLTextAreaElement | null>
  /** Takes the focus when it appears, the cursor after the text. */
  takesFocus?: boolean
  /** Called on Enter, but never while an input method is composing. */
  onEnter?: () => void
}

/** A text box that grows with its text, up to its CSS max-height. */
export function TextArea({ value, inputRef, takesFocus = false, onEnter, onKeyDown, ...props }: Props) {
  const own = useRef<HTMLTextAreaElement>(null)
  const ref = inputRef ?? own

  useLayoutEffect(() => {
    const box = ref.current
    if (!box) return
    box.style.height = 'auto'
    box.style.height = `${box.scrollHeight + box.offsetHeight - box.clientHeight}px`
  }, [ref, value])

  useEffect(() => {
    if (!takesFocus) return
    ref.current?.focus()
    ref.current?.setSelectionRange(ref.current.value.length, ref.current.value.length)
  }, [ref, takesFocus])

  return (
    <textarea
      ref={ref}
      value={value}
      onKeyDown={(event) => {
        onKeyDown?.(event)
        if (event.key !== 'Enter' || event.shiftKey || !onEnter || isComposing(event)) return
        event.preventDefault()
        onEnter()
      }}
      {...props}
    />
  )
}

/** Safari ends the composition before the key event of the Enter that ended it, but keeps the old key code 229. */
export function isComposing({ nativeEvent }: { nativeEvent: KeyboardEvent }): boolean {
  return nativeEvent.isComposing || nativeEvent.keyCode === 229
}
