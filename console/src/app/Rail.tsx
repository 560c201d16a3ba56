import { useLang, useT } from '../i18n'
import { usePrefs, type Theme } from '../state/prefs'
import { FLYWHEEL, hrefOf, LINEAGE, NEW, PLAN, useCurrentKey } from '../state/route'
import { IconButton } from '../ui/Button'
import { AutoIcon, ChatIcon, FlywheelIcon, KeyboardIcon, MoonIcon, PlanIcon, SunIcon } from '../ui/icons'
import { Mark } from '../ui/Mark'

const NEXT_THEME: Record<Theme, Theme> = { system: 'light', light: 'dark', dark: 'system' }
const THEME_ICON = { system: AutoIcon, light: SunIcon, dark: MoonIcon }

const SECTIONS = { chat: { key: NEW, Icon: ChatIcon }, flywheel: { key: FLYWHEEL, Icon: FlywheelIcon }, plan: { key: PLAN, Icon: PlanIcon } }

interface Props {
  onHelp: () => void
  /** Closes the drawer that holds it on a narrow screen. */
  onPick?: () => void
}

/** The sections of the console at the left edge, and below them what holds everywhere. */
export function Rail({ onHelp, onPick }: Props) {
  const t = useT()
  const lang = useLang()
  const { theme, set } = usePrefs()
  const key = useCurrentKey()
  const here = key === LINEAGE ? FLYWHEEL : key === FLYWHEEL || key === PLAN ? key : 'chat'
  const ThemeIcon = THEME_ICON[theme]
  return (
    <nav aria-label={t.nav.label} className="flex w-15 shrink-0 flex-col items-center gap-1 border-r border-line bg-panel py-3">
      <a href={hrefOf(NEW)} aria-label={t.appName} className="mb-3 rounded-full p-1">
        <Mark className="size-8" />
      </a>
      {(['chat', 'flywheel', 'plan'] as const).map((section) => {
        const { key, Icon } = SECTIONS[section]
        return (
          <a
            key={section}
            href={hrefOf(key)}
            onClick={onPick}
            aria-current={section === here ? 'page' : undefined}
            data-testid={`section-${section}`}
            className="flex w-14 flex-col items-center gap-0.5 rounded-xl py-1.5 text-muted transition-colors hover:bg-hover hover:text-ink aria-[current]:bg-soft aria-[current]:text-accent"
          >
            <Icon />
            <span className="text-[0.6875rem] font-medium">{t.nav[section]}</span>
          </a>
        )
      })}
      <div className="flex-1" />
      <IconButton label={t.nav.help} onClick={onHelp} data-testid="help-open">
        <KeyboardIcon />
      </IconButton>
      <IconButton label={t.nav.theme[theme]} onClick={() => set({ theme: NEXT_THEME[theme] })} data-testid="theme-switch" data-theme-choice={theme}>
        <ThemeIcon />
      </IconButton>
      <IconButton label={t.nav.language} onClick={() => set({ lang: lang === 'zh' ? 'en' : 'zh' })} data-testid="language-switch">
        <span className="text-sm font-semibold before:content-[attr(data-short)]" data-short={t.nav.languageShort} />
      </IconButton>
    </nav>
  )
}
