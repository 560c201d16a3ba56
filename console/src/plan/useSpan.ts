import { useT } from '../i18n'
import { span } from './quantities'

/** Days in words of the reader's language. */
export function useSpan(): (days: number) => string {
  const words = useT().plan
  return (days) => words.span(...span(days))
}
