/**
 * Brings the ways in which models write formulas to the one that remark-math reads, and keeps money from being one.
 * `\(x\)` and `\[x\]` become `$x$` and `$$x$$`; `$$x$$` alone on its line becomes a display formula; a lone `$`
 * ("$5 and $10") is escaped by pandoc's rule. Code is left alone.
 */
export function normaliseFormulas(text: string): string {
  if (!/[$]|\\[[(]/.test(text)) return text
  return text.replace(TOKENS, (token, ...rest) => {
    const groups = rest.at(-1) as Record<string, string | undefined>
    const offset = rest.at(-3) as number
    if (groups.code !== undefined || groups.escaped !== undefined || groups.inline !== undefined) return token
    const display = groups.bracket ?? groups.dollars
    if (display !== undefined) return showDisplay(display, text, offset, token.length)
    if (groups.paren !== undefined) return `$${groups.paren.trim()}$`
    return '\\$'
  })
}

const TOKENS = new RegExp(
  [
    // A fenced block, closed or still open; then a code span.
    '(?<code>^[ \\t]*(?:[-*+]|\\d+[.)])?[ \\t]*(?<fence>`{3,}|~{3,})[^\\n]*(?:\\n[\\s\\S]*?(?:^[ \\t]*\\k<fence>[`~]*[ \\t]*$|(?![\\s\\S]))|$)',
    '|(?<ticks>`+)(?!`)[\\s\\S]*?[^`]\\k<ticks>(?!`))',
    '|\\\\\\[(?<bracket>[\\s\\S]+?)\\\\\\]',
    '|\\\\\\((?<paren>[^\\n]+?)\\\\\\)',
    '|(?<escaped>\\\\[\\s\\S])',
    '|\\$\\$(?<dollars>[\\s\\S]+?)\\$\\$',
    '|(?<inline>\\$\\$|\\$(?=\\S)(?:\\\\.|[^$\\\\\\n])*(?<=\\S)\\$(?!\\d))',
    '|\\$',
  ].join(''),
  'gm',
)

/** A display formula gets lines of its own, at the indentation it has, if nothing else is on its line. */
function showDisplay(formula: string, text: string, offset: number, length: number): string {
  const indent = text.slice(text.lastIndexOf('\n', offset - 1) + 1, offset)
  const after = text.slice(offset + length).split('\n', 1)[0] ?? ''
  if (indent.trim() || after.trim()) return `$$${formula.trim()}$$`
  const lines = formula.trim().split('\n').map((line) => line.trim()).filter(Boolean)
  return ['$$', ...lines.map((line) => indent + line), `${indent}$$`].join('\n')
}
