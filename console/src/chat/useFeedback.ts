import { useRef, useState } from 'react'
import { postFeedback } from '../api/console'
import type { Message, Opinion } from '../api/types'
import { t } from '../i18n'
import { speak } from '../state/notices'
import { reasonOf } from '../state/server'
import { patchMessage } from '../state/threads'

const NO_OPINION: Opinion = { rating: null, tags: [], comment: null, correction: null }

/** The change that a rating is. Reasons and comment belong to one rating, so they go with it. */
export const rated = ({ rating }: Pick<Opinion, 'rating'>, next: Opinion['rating']): Partial<Opinion> => ({
  rating: next,
  tags: [],
  // One that came without a rating, or stays with its own, is left alone.
  ...(rating !== null && rating !== next && { comment: null }),
})

export interface Feedback {
  /** What the user thinks, saved or not. */
  opinion: Opinion
  phase: 'idle' | 'saving' | 'saved' | 'failed'
  reason: string | null
  /** Resolves to whether the server has it. */
  submit: (change: Partial<Opinion>) => Promise<boolean>
  retry: () => Promise<boolean>
}

/** A message's feedback: shown at once, called saved only when the server has said so, kept when it has not. */
export function useFeedback(threadKey: string, message: Message): Feedback {
  const [unsaved, setUnsaved] = useState<Partial<Opinion>>({})
  const [phase, setPhase] = useState<Feedback['phase']>('idle')
  const [reason, setReason] = useState<string | null>(null)
  // What is unsaved, and the key that makes sending it twice the same as once.
  const pending = useRef<{ change: Partial<Opinion>; key: string }>({ change: {}, key: '' })
  // Posts go out one after the other, so that the last opinion is the one that stays.
  const queue = useRef<Promise<unknown>>(Promise.resolve())

  const send = (): Promise<boolean> => {
    const { change, key } = pending.current
    setPhase('saving')
    const post = queue.current.then(() => postFeedback(message.id, change, key))
    queue.current = post.catch(() => {})
    return post.then(
      ({ rating, tags, comment, correction }) => {
        patchMessage(threadKey, message.id, { feedback: { rating, tags, comment, correction } })
        // A newer change has its own answer to wait for.
        if (pending.current.key !== key) return true
        pending.current = { change: {}, key: '' }
        setUnsaved({})
        setPhase('saved')
        setReason(null)
        speak(t().saved)
        return true
      },
      (error: unknown) => {
        if (pending.current.key === key) {
          setPhase('failed')
          setReason(reasonOf(error, t().errors.unreachable))
        }
        return false
      },
    )
  }

  const submit = (change: Partial<Opinion>) => {
    pending.current = { change: { ...pending.current.change, ...change }, key: crypto.randomUUID() }
    setUnsaved(pending.current.change)
    return send()
  }

  return { opinion: { ...NO_OPINION, ...message.feedback, ...unsaved }, phase, reason, submit, retry: send }
}
