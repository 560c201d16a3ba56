import { memo, useState } from 'react'
import type { Message } from '../api/types'
import { useT } from '../i18n'
import { sendEdited } from '../state/answer'
import { useDraft } from '../state/drafts'
import { getThread } from '../state/threads'
import { Button, IconButton } from '../ui/Button'
import { CopyButton } from '../ui/CopyButton'
import { EditIcon } from '../ui/icons'
import { TextArea } from '../ui/TextArea'
import { BranchNav, type BranchProps } from './BranchNav'

interface Props extends BranchProps {
  message: Message
}

export const UserMessage = memo(function UserMessage({ message, ...branch }: Props) {
  const t = useT()
  const draft = `edit-${message.id}`
  const [typed, setTyped] = useDraft(draft)
  const [opened, setOpened] = useState(false)
  // An edit that could not be sent, or that a reload cut short, opens again.
  const editing = opened || typed !== ''
  const text = message.content ?? ''

  const save = (next: string) => {
    if (getThread(branch.threadKey).streaming) return
    setOpened(false)
    sendEdited(branch.threadKey, message, next, draft)
  }
  const close = () => {
    setTyped('')
    setOpened(false)
  }
  return (
    <article data-testid="message-user" className="turn flex flex-col items-end pt-2">
      <h2 className="sr-only">{t.chat.youSaid}</h2>
      {editing ? (
        <Editor initial={typed || text} onType={setTyped} onSave={save} onCancel={close} />
      ) : (
        <>
          <div className="max-w-[85%] rounded-2xl rounded-br-md bg-bubble px-4 py-2.5 leading-relaxed wrap-anywhere whitespace-pre-wrap">{text}</div>
          <div className="actions mt-1 flex items-center">
            <BranchNav {...branch} />
            <CopyButton label={t.copy} getText={() => text} />
            <IconButton label={t.chat.edit} onClick={() => setOpened(true)} data-testid="edit">
              <EditIcon className="size-4.5" />
            </IconButton>
          </div>
        </>
      )}
    </article>
  )
})

interface EditorProps {
  initial: string
  onType: (text: string) => void
  onSave: (text: string) => void
  onCancel: () => void
}

function Editor({ initial, onType, onSave, onCancel }: EditorProps) {
  const t = useT()
  const [text, setText] = useState(initial)
  const save = () => text.trim() && onSave(text)
  return (
    <div className="w-full rounded-2xl border border-line bg-bubble p-3">
      <TextArea
        takesFocus
        aria-label={t.chat.editLabel}
        data-testid="edit-text"
        value={text}
        onChange={(event) => {
          setText(event.target.value)
          onType(event.target.value)
        }}
        onEnter={save}
        onKeyDown={(event) => {
          if (event.key !== 'Escape' || event.nativeEvent.isComposing) return
          event.preventDefault()
          onCancel()
        }}
        className="block max-h-96 w-full resize-none bg-transparent px-1 leading-relaxed outline-none"
      />
      <div className="mt-2 flex justify-end gap-2">
        <Button tone="quiet" onClick={onCancel}>
          {t.cancel}
        </Button>
        <Button tone="accent" onClick={save} disabled={!text.trim()} data-testid="edit-save">
          {t.chat.editSave}
        </Button>
      </div>
    </div>
  )
}
