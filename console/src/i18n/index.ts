import { usePrefs, type LangChoice } from '../state/prefs'
import { en } from './en'
import { zh } from './zh'

export type Lang = 'en' | 'zh'

const dictionaries = { en, zh }

function resolve(choice: LangChoice): Lang {
  if (choice !== 'auto') return choice
  return /^zh\b/i.test(globalThis.navigator?.language ?? 'en') ? 'zh' : 'en'
}

export const currentLang = (): Lang => resolve(usePrefs.getState().lang)
export const useLang = (): Lang => resolve(usePrefs((prefs) => prefs.lang))

/** The words of the language in use. `useT` in components, `t()` everywhere else. */
export const useT = () => dictionaries[useLang()]
export const t = () => dictionaries[currentLang()]

/** Keeps <html lang> true: screen readers and Han glyph shapes depend on it. */
export function applyLang(lang: Lang): void {
  document.documentElement.lang = lang === 'zh' ? 'zh-CN' : 'en'
}
