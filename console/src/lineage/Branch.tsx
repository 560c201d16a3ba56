import { useId, useState } from 'react'
import { Tag } from '../flywheel/parts'
import { when } from '../flywheel/when'
import { useLang, useT } from '../i18n'
import { lineageHref, type Direction } from '../state/route'
import { reasonOf } from '../state/server'
import { Button, IconLink } from '../ui/Button'
import { ChatIcon, ChevronDownIcon, ChevronRightIcon, LineageIcon } from '../ui/icons'
import { getLineage, type Node } from './api'
import { chatOf, factsOf, idOf, isRoot, kindOf, openedAtFirst, PAGE } from './tree'

interface Props {
  node: Node
  direction: Direction
  opened: ReadonlySet<Node>
  /** It is what was asked for. */
  top?: boolean
}

/** A node, and below it what lies behind it: what is left out there is asked for when it is opened. */
export function Branch({ node, direction, opened, top = false }: Props) {
  const t = useT()
  const words = t.lineage
  const listId = useId()
  const [open, setOpen] = useState(opened.has(node))
  // Asked for when it was opened, if it was left out.
  const [loaded, setLoaded] = useState<{ children: Node[]; opened: ReadonlySet<Node> } | null>(null)
  const [fault, setFault] = useState<string | null>(null)
  const [shown, setShown] = useState(PAGE)
  const below = loaded ?? { children: node.children, opened }
  const waiting = open && node.more && !loaded && !fault
  const left = below.children.length - shown

  const toggle = async () => {
    setOpen(!open)
    setFault(null)
    if (open || !node.more || loaded) return
    try {
      const tree = await getLineage(node.id, direction)
      setLoaded({ children: tree.children, opened: openedAtFirst(tree) })
    } catch (error) {
      setFault(reasonOf(error, t.errors.unreachable))
    }
  }

  return (
    <li data-testid="lineage-node" data-kind={node.kind} data-id={node.id}>
      <div className="flex items-start gap-0.5">
        {node.more || node.children.length > 0 ? (
          <button
            type="button"
            aria-expanded={open}
            aria-controls={open ? listId : undefined}
            onClick={() => void toggle()}
            className="row-hit flex min-w-0 flex-1 items-start gap-1.5 px-1.5 py-1.5 text-left focus-visible:-outline-offset-2"
          >
            {open ? <ChevronDownIcon className="mt-0.5 size-4 text-muted" /> : <ChevronRightIcon className="mt-0.5 size-4 text-muted" />}
            <Said node={node} />
          </button>
        ) : (
          <div className="flex min-w-0 flex-1 items-start gap-1.5 px-1.5 py-1.5">
            <span aria-hidden="true" className="mt-0.5 flex size-4 shrink-0 items-center justify-center before:size-1 before:rounded-full before:bg-line-strong" />
            <Said node={node} />
          </div>
        )}
        <Links node={node} direction={direction} top={top} />
      </div>
      {open && (
        <div id={listId} className="ml-2 border-l border-line pl-1 md:ml-3.5 md:pl-2.5">
          {waiting && <p className="px-2 py-1 text-xs text-muted">{t.loading}</p>}
          {fault && <p role="alert" className="px-2 py-1 text-xs text-danger">{fault}</p>}
          <ul>
            {below.children.slice(0, shown).map((child, at) => (
              <Branch key={`${at} ${child.id}`} node={child} direction={direction} opened={below.opened} />
            ))}
          </ul>
          {left > 0 && (
            <Button tone="quiet" className="text-accent" onClick={() => setShown(shown + 10 * PAGE)} data-testid="lineage-more">
              {words.more(Math.min(10 * PAGE, left))}
            </Button>
          )}
        </div>
      )}
    </li>
  )
}

/** Its kind, what it is called, and what is told of it. */
function Said({ node }: { node: Node }) {
  const t = useT()
  const words = t.lineage
  const lang = useLang()
  const { kind, id, name, created, facts } = node
  const said = [...factsOf(node, t), ...(created ? [when(created, lang)] : [])]
  const short = idOf(node)
  return (
    <span className="min-w-0 flex-1 text-sm">
      <span className="flex flex-wrap items-baseline gap-x-2 gap-y-0.5">
        <span className="text-xs font-semibold whitespace-nowrap text-accent">{kindOf(node, words)}</span>
        {name && <span className="min-w-0 [overflow-wrap:anywhere]">{name}</span>}
        {facts.serves && <Tag tone="good">{words.serves}</Tag>}
        {facts.tainted && <Tag tone="bad">{words.tainted}</Tag>}
        {facts.known === false && <Tag>{words.unknown}</Tag>}
      </span>
      {kind === 'sample' && facts.answer && <span className="line-clamp-2 text-muted [overflow-wrap:anywhere]">{facts.answer}</span>}
      {(short || said.length > 0) && (
        <span className="flex flex-wrap gap-x-2 text-xs text-muted">
          {short && <code className="font-mono break-all" title={id}>{short}</code>}
          {said.length > 0 && <span>{said.join(' · ')}</span>}
        </span>
      )}
    </span>
  )
}

function Links({ node, direction, top }: Omit<Props, 'opened'>) {
  const words = useT().lineage
  const chat = chatOf(node)
  return (
    <>
      {chat && (
        <IconLink label={words.conversation} href={chat} data-testid="lineage-chat">
          <ChatIcon className="size-4.5" />
        </IconLink>
      )}
      {!top && isRoot(node) && (
        <IconLink label={words.root(kindOf(node, words), node.name || idOf(node))} href={lineageHref(node.id, direction)} data-testid="lineage-root">
          <LineageIcon className="size-4.5" />
        </IconLink>
      )}
    </>
  )
}
