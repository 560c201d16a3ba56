import { memo, useMemo } from 'react'
import { useLang, useT } from '../i18n'
import { hrefOf } from '../state/route'
import { Button } from '../ui/Button'
import { AlertIcon, CheckIcon, ChevronDownIcon, ChevronRightIcon, CloseIcon, EditIcon, LockIcon } from '../ui/icons'
import type { Item } from './api'
import { diff, type Piece } from './diff'
import { KEYS, type Action } from './keys'
import { Tag, Text } from './parts'
import { rowId } from './queue'
import { ReviewEdit } from './ReviewEdit'
import { act, select, type Draft } from './store'
import { when } from './when'

const LOCAL = 'local'
const ICONS = { accept: CheckIcon, edit: EditIcon, reject: CloseIcon }

/** More than the item's own line has room for. */
const isLong = (question: string): boolean => question.length > 100 || question.includes('\n')

interface Props {
  item: Item
  open: boolean
  draft: Draft | undefined
  actions: readonly Action[]
}

/** A line of the queue, and, for the selected one, all that a decision needs. */
export const ReviewItem = memo(function ReviewItem({ item, open, draft, actions }: Props) {
  const words = useT().flywheel.review
  return (
    <li data-testid="review-item" data-open={open} className={`rounded-xl border ${open ? 'border-line-strong' : 'border-line'}`}>
      <h3>
        <button
          type="button"
          id={rowId(item.id)}
          aria-expanded={open}
          onClick={() => select(item.id)}
          className="flex w-full items-start gap-2 rounded-xl px-3 py-2.5 text-left hover:bg-hover focus-visible:-outline-offset-2"
        >
          {open ? <ChevronDownIcon className="mt-0.5 size-4.5 text-muted" /> : <ChevronRightIcon className="mt-0.5 size-4.5 text-muted" />}
          <span className="min-w-0 flex-1">
            <span className={`text-sm font-medium break-words ${open ? 'line-clamp-2' : 'line-clamp-1'}`}>{item.question}</span>
            <Signals item={item} />
          </span>
        </button>
      </h3>
      {open && (
        <div className="appear px-3 pt-1 pb-3 md:px-4 md:pb-4">
          <Said item={item} />
          {draft ? (
            <ReviewEdit item={item} draft={draft} />
          ) : (
            <>
              {isLong(item.question) && (
                <div className="mb-2">
                  <Text label={words.question}>{item.question}</Text>
                </div>
              )}
              <Answers item={item} />
              <div className="mt-3 flex flex-wrap items-center gap-2">
                {actions.map((action) => {
                  const Icon = ICONS[action as keyof typeof ICONS]
                  return (
                    <Button key={action} tone={action === 'accept' ? 'accent' : 'plain'} onClick={() => act(action, item)} aria-keyshortcuts={KEYS[action]} data-testid={`review-${action}`}>
                      <Icon className="size-4" />
                      {words.actions[action]}
                    </Button>
                  )
                })}
                {item.user === LOCAL && (
                  <a href={hrefOf(item.conversation_id)} className="ml-auto text-sm text-accent underline underline-offset-2">
                    {words.conversation}
                  </a>
                )}
              </div>
            </>
          )}
        </div>
      )}
    </li>
  )
})

/** Who said it, what they said in a word, and what to beware of. */
function Signals({ item }: { item: Item }) {
  const t = useT()
  const words = t.flywheel.review
  const lang = useLang()
  const corrected = item.answer !== null && item.answer.trim() !== item.given.trim()
  return (
    <span className="mt-1 flex flex-wrap items-center gap-1.5 text-xs text-muted">
      <span>
        {item.user === LOCAL ? t.flywheel.you : item.user} · {when(item.created_ms, lang)}
      </span>
      {item.rating === -1 && <Tag>{words.bad}</Tag>}
      {item.rating === 1 && <Tag>{words.good}</Tag>}
      {corrected && <Tag tone="good">{words.correction}</Tag>}
      {item.edited && <Tag tone="good">{words.edited}</Tag>}
      {item.disputed && (
        <Tag tone="warn">
          <AlertIcon className="size-3.5" />
          {words.disputed}
        </Tag>
      )}
      {item.personal.length > 0 && (
        <Tag tone="warn">
          <LockIcon className="size-3.5" />
          {words.personal(item.personal.map((kind) => words.kinds[kind] ?? kind).join(lang === 'zh' ? '、' : ', '))}
        </Tag>
      )}
    </span>
  )
}

/** The reasons and the comment that came with the opinion. */
function Said({ item }: { item: Item }) {
  const { tags } = useT().feedback
  const reasons = item.tags.map((tag) => tags[tag as keyof typeof tags] ?? tag)
  const said = [...reasons, ...(item.comment ? [item.comment] : [])]
  return said.length ? <p className="mb-2 text-sm text-muted break-words">{said.join(' · ')}</p> : null
}

function Answers({ item: { given, answer, state } }: { item: Item }) {
  const words = useT().flywheel.review
  const [left, right] = useMemo(() => diff(given, answer ?? ''), [given, answer])
  return (
    <div className="grid gap-2 md:grid-cols-2">
      <Text label={words.given}>
        <Pieces pieces={answer === null ? [{ text: given, changed: false }] : left} as="del" />
      </Text>
      <Text label={state === 'taken' ? words.wasLearnt : words.learnt}>
        {answer === null ? <span className="text-muted">{words.nothing}</span> : <Pieces pieces={right} as="ins" />}
      </Text>
    </div>
  )
}

function Pieces({ pieces, as: Marked }: { pieces: Piece[]; as: 'del' | 'ins' }) {
  const look = Marked === 'del' ? 'bg-danger-soft text-danger' : 'bg-soft text-accent'
  return pieces.map(({ text, changed }, at) => (changed ? <Marked key={at} className={`rounded-sm no-underline ${look}`}>{text}</Marked> : text))
}
