import 'katex/dist/katex.min.css'
import './markdown.css'
import { memo, useMemo, type ComponentProps } from 'react'
import ReactMarkdown, { type Components } from 'react-markdown'
import rehypeHighlight from 'rehype-highlight'
import rehypeKatex from 'rehype-katex'
import remarkCjkFriendly from 'remark-cjk-friendly'
import remarkGfm from 'remark-gfm'
import remarkMath from 'remark-math'
import { useT } from '../i18n'
import { splitBlocks } from './blocks'
import { CodeBlock } from './CodeBlock'
import { normaliseFormulas } from './formulas'
import { imagesAsLinks, safeUrl } from './safety'

const remarkPlugins: ComponentProps<typeof ReactMarkdown>['remarkPlugins'] = [remarkGfm, remarkMath, remarkCjkFriendly]
// "trust" stays off: no \href, no \includegraphics. The bounds keep one formula from freezing the page.
const katex = { throwOnError: false, errorColor: 'currentColor', strict: false, trust: false, maxExpand: 500, maxSize: 20 }

/** A model's Markdown. It is untrusted: see safety.ts; raw HTML shows as the text it is. */
export default function Markdown({ text }: { text: string }) {
  const blocks = useMemo(() => splitBlocks(text), [text])
  return (
    <div className="markdown">
      {blocks.map((block, index) => (
        <Block key={index} text={block} />
      ))}
    </div>
  )
}

/** Finished blocks do not change, so they are not parsed again while the last one grows. */
const Block = memo(function Block({ text }: { text: string }) {
  const { code } = useT()
  const rehypePlugins = useMemo<ComponentProps<typeof ReactMarkdown>['rehypePlugins']>(
    () => [[rehypeKatex, katex], [rehypeHighlight, { detect: false }], imagesAsLinks(code.image)],
    [code.image],
  )
  return (
    <ReactMarkdown remarkPlugins={remarkPlugins} rehypePlugins={rehypePlugins} urlTransform={safeUrl} components={components}>
      {normaliseFormulas(text)}
    </ReactMarkdown>
  )
})

// Headings of a message are all of one level: they stand below the message's own, and models skip levels.
const heading = (size: number): Components['h1'] =>
  function Heading({ children }) {
    return <h3 data-size={size}>{children}</h3>
  }

const components: Components = {
  h1: heading(1),
  h2: heading(2),
  h3: heading(3),
  h4: heading(4),
  h5: heading(5),
  h6: heading(6),
  a: ({ href, children }) =>
    href ? (
      <a href={href} target="_blank" rel="noopener noreferrer nofollow">
        {children}
      </a>
    ) : (
      <span>{children}</span>
    ),
  pre: CodeBlock,
  table: Table,
  input: TaskMark,
  span: ({ node: _, ...props }) => (props.className === 'katex-display' ? <Formula {...props} /> : <span {...props} />),
  // Ids in a message could shadow the page's own.
  li: ({ node: _, id: __, ...props }) => <li {...props} />,
  section: ({ children }) => <div className="footnotes">{children}</div>,
}

// What may be wider than the page scrolls by itself, and can be reached by keyboard to do so.

function Table({ children }: ComponentProps<'table'>) {
  const { code } = useT()
  return (
    <div className="scroll" role="group" aria-label={code.table} tabIndex={0}>
      <table>{children}</table>
    </div>
  )
}

function Formula(props: ComponentProps<'span'>) {
  const { code } = useT()
  return <span {...props} role="group" aria-label={code.formula} tabIndex={0} />
}

function TaskMark({ checked }: ComponentProps<'input'>) {
  const { code } = useT()
  return <span className="task-mark" role="img" aria-label={checked ? code.done : code.open} data-checked={checked || undefined} />
}
