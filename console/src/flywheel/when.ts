import type { Lang } from '../i18n'

const LOCALES: Record<Lang, string> = { en: 'en-GB', zh: 'zh-CN' }

/** A moment as people write it; of an ISO string or of milliseconds since 1970. */
export const when = (time: string | number, lang: Lang): string =>
  new Intl.DateTimeFormat(LOCALES[lang], { dateStyle: 'medium', timeStyle: 'short' }).format(new Date(time))
