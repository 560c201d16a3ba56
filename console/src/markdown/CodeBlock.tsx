import { isValidElement, useRef, type ComponentProps, type ReactNode } from 'react'
import { useT } from '../i18n'
import { CopyButton } from '../ui/CopyButton'

/** A fenced block: its language, a copy button, and the highlighted code. */
export function CodeBlock({ children }: ComponentProps<'pre'>) {
  const { code } = useT()
  const pre = useRef<HTMLPreElement>(null)
  const language = languageOf(children)
  return (
    <div className="code-block">
      <div className="code-head">
        <span>{language}</span>
        <CopyButton label={code.copy} getText={() => pre.current?.textContent ?? ''} />
      </div>
      <pre ref={pre} tabIndex={0} role="group" aria-label={language ? `${code.region}: ${language}` : code.region}>
        {children}
      </pre>
    </div>
  )
}

function languageOf(children: ReactNode): string {
  if (!isValidElement<{ className?: string }>(children)) return ''
  return /language-(\S+)/.exec(children.props.className ?? '')?.[1] ?? ''
}
