/** A text with every occurrence of the query marked, whatever its case. */
export function Highlighted({ text, query }: { text: string; query: string }) {
  if (!query) return text
  const lower = text.toLowerCase()
  const needle = query.toLowerCase()
  // Where lower-casing changes the length (a few letters do), positions would be off: show it unmarked.
  if (lower.length !== text.length) return text
  const parts = []
  let from = 0
  for (let at = lower.indexOf(needle); at >= 0; at = lower.indexOf(needle, from)) {
    parts.push(text.slice(from, at), <mark key={at}>{text.slice(at, at + needle.length)}</mark>)
    from = at + needle.length
  }
  return [...parts, text.slice(from)]
}
