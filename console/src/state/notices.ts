import { create } from 'zustand'

export interface Toast {
  id: number
  text: string
  tone: 'info' | 'error'
  action?: { label: string; testId?: string; run: () => void }
}

interface Notices {
  toasts: Toast[]
  /** What the screen reader is told next, politely. */
  spoken: string
}

export const useNotices = create<Notices>()(() => ({ toasts: [], spoken: '' }))

const LIFETIME_MS = 3000
const LIFETIME_WITH_ACTION_MS = 8000
let lastId = 0

export function dismiss(id: number): void {
  useNotices.setState(({ toasts }) => ({ toasts: toasts.filter((toast) => toast.id !== id) }))
}

export function toast(text: string, options: Partial<Pick<Toast, 'tone' | 'action'>> = {}): void {
  const id = ++lastId
  useNotices.setState(({ toasts }) => ({ toasts: [...toasts.slice(-2), { id, text, tone: 'info', ...options }] }))
  setTimeout(() => dismiss(id), options.action ? LIFETIME_WITH_ACTION_MS : LIFETIME_MS)
}

export const speak = (text: string): void => useNotices.setState({ spoken: text })
