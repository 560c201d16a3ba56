import { useEffect, useRef } from 'react'
import { useT } from '../i18n'
import { send, stop } from '../state/answer'
import { useDraft } from '../state/drafts'
import { useServer } from '../state/server'
import { updateThread, useThread } from '../state/threads'
import { AlertIcon, CloseIcon, SendIcon, StopIcon } from '../ui/icons'
import { IconButton } from '../ui/Button'
import { TextArea } from '../ui/TextArea'

export function Composer({ threadKey }: { threadKey: string }) {
  const t = useT()
  const [text, setText] = useDraft(threadKey)
  const { streaming, notSent } = useThread(threadKey)
  // Until the first status has come the server itself is the judge: what it refuses comes back into the box.
  const ready = useServer(({ status, reachable }) => reachable && status?.ready !== false)
  const box = useRef<HTMLTextAreaElement>(null)
  const canSend = ready && !streaming && text.trim() !== ''

  // On a touch screen this would raise the keyboard over the conversation.
  useEffect(() => {
    if (window.matchMedia('(hover: hover)').matches) box.current?.focus()
  }, [threadKey])

  const submit = () => {
    if (canSend) send(threadKey)
  }
  return (
    <div className="mx-auto w-full max-w-196 shrink-0 px-3 pb-[max(0.5rem,env(safe-area-inset-bottom))] md:px-6">
      {notSent && (
        <div role="alert" data-testid="not-sent" className="appear mb-2 flex items-center gap-2 rounded-xl bg-danger-soft py-1 pr-1 pl-3 text-sm text-danger">
          <AlertIcon className="size-4.5 shrink-0" />
          <span className="min-w-0 flex-1 wrap-anywhere">
            {t.composer.notSent} {notSent}
          </span>
          <IconButton label={t.close} onClick={() => updateThread(threadKey, { notSent: null })}>
            <CloseIcon className="size-4" />
          </IconButton>
        </div>
      )}
      <div className="flex items-end gap-2 rounded-3xl border border-line bg-raised p-2 shadow-low focus-within:border-line-strong">
        <TextArea
          id="composer"
          inputRef={box}
          rows={1}
          data-testid="composer"
          aria-label={t.composer.label}
          placeholder={t.composer.placeholder}
          value={text}
          onChange={(event) => setText(event.target.value)}
          onEnter={submit}
          enterKeyHint="send"
          className="max-h-[40dvh] flex-1 resize-none bg-transparent px-3 py-1.5 leading-relaxed outline-none"
        />
        {streaming ? (
          <RoundButton label={t.composer.stop} testId="stop" onClick={() => stop(threadKey)}>
            <StopIcon className="size-5.5" />
          </RoundButton>
        ) : (
          <RoundButton label={ready ? t.composer.send : t.composer.notReady} testId="send" onClick={submit} disabled={!canSend}>
            <SendIcon />
          </RoundButton>
        )}
      </div>
      <p className="mt-1.5 text-center text-xs text-muted max-md:hidden">{t.composer.hint}</p>
    </div>
  )
}

interface RoundProps {
  label: string
  testId: string
  disabled?: boolean
  onClick: () => void
  children: React.ReactNode
}

function RoundButton({ label, testId, children, ...props }: RoundProps) {
  return (
    <button
      type="button"
      aria-label={label}
      data-tip={label}
      data-testid={testId}
      className="inline-flex size-9.5 shrink-0 items-center justify-center rounded-full bg-accent text-on-accent transition-opacity hover:opacity-90 disabled:bg-hover disabled:text-muted"
      {...props}
    >
      {children}
    </button>
  )
}
