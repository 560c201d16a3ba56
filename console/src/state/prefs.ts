import { create } from 'zustand'
import { persist } from 'zustand/middleware'
import type { Settings } from '../api/types'

export type Theme = 'system' | 'light' | 'dark'
export type LangChoice = 'auto' | 'en' | 'zh'

interface Prefs {
  theme: Theme
  lang: LangChoice
  sidebarOpen: boolean
  /** What a new chat starts with. */
  defaults: Settings
  set: (change: Partial<Omit<Prefs, 'set'>>) => void
}

/** Choices of this browser. The storage key and shape are also read by src/boot.js. */
export const usePrefs = create<Prefs>()(
  persist(
    (set) => ({ theme: 'system', lang: 'auto', sidebarOpen: true, defaults: {}, set }),
    { name: 'feilun.prefs', partialize: ({ set: _, ...kept }) => kept },
  ),
)

/** Keeps <html data-theme> true; the CSS follows the system when it is absent. */
export function applyTheme(theme: Theme): void {
  if (theme === 'system') delete document.documentElement.dataset.theme
  else document.documentElement.dataset.theme = theme
}
