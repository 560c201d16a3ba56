import { useEffect, useRef } from 'react'
import { pathTo } from '../chat/tree'
import { stop } from '../state/answer'
import { getLiveText } from '../state/live'
import { toast } from '../state/notices'
import { currentKey, navigate, NEW } from '../state/route'
import { getThread } from '../state/threads'
import { t } from '../i18n'
import { copyText } from '../ui/clipboard'

const MAC = /Mac|iPhone|iPad/.test(navigator.platform)
const MOD = MAC ? '⌘' : 'Ctrl'
const SHIFT = MAC ? '⇧' : 'Shift'

/** As shown in the help dialog; the keys people know from other chats. */
export const SHORTCUTS = {
  newChat: [MOD, SHIFT, 'O'],
  search: [MOD, 'K'],
  focus: [SHIFT, 'Esc'],
  copyLast: [MOD, SHIFT, 'C'],
  sidebar: [MOD, SHIFT, 'S'],
  help: [MOD, '/'],
  stop: ['Esc'],
  send: ['Enter'],
  newline: [SHIFT, 'Enter'],
} as const

interface Actions {
  toggleSidebar: () => void
  openSidebar: () => void
  openHelp: () => void
}

export function useShortcuts(actions: Actions): void {
  const latest = useRef(actions)
  useEffect(() => {
    latest.current = actions
  })
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      // An input method has the first word; so has a menu or dialog that used the key.
      if (event.isComposing || event.defaultPrevented) return
      const run = actionFor(event, latest.current)
      if (!run) return
      event.preventDefault()
      run()
    }
    window.addEventListener('keydown', onKey)
    return () => window.removeEventListener('keydown', onKey)
  }, [])
}

function actionFor(event: KeyboardEvent, actions: Actions): (() => void) | null {
  const mod = event.metaKey || event.ctrlKey
  const key = event.key.toLowerCase()
  if (mod && event.shiftKey && key === 'o') return () => navigate(NEW)
  if (mod && event.shiftKey && key === 'c') return copyLastAnswer
  if (mod && event.shiftKey && key === 's') return actions.toggleSidebar
  if (mod && !event.shiftKey && key === 'k') return () => search(actions)
  if (mod && key === '/') return actions.openHelp
  if (event.key === 'Escape' && event.shiftKey) return () => document.getElementById('composer')?.focus()
  const inDialog = document.querySelector('dialog[open], :popover-open')
  if (event.key === 'Escape' && !inDialog && getThread(currentKey()).streaming) return () => stop(currentKey())
  return null
}

function search({ openSidebar }: Actions): void {
  openSidebar()
  // After the sidebar, or the drawer that holds it, has been drawn.
  setTimeout(() => document.getElementById('search')?.focus(), 60)
}

function copyLastAnswer(): void {
  const { messages, leaf } = getThread(currentKey())
  const answer = pathTo(messages, leaf).findLast((message) => message.role === 'assistant')
  if (!answer) return
  void copyText(answer.feedback?.correction ?? getLiveText(answer.id) ?? answer.content ?? '').then((done) => done && toast(t().copied))
}
