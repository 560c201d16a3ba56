import type { Model } from '../api/types'
import { useT } from '../i18n'
import { modelFor, useServer, watchServer } from '../state/server'
import { changeSettings, useSettings } from '../state/threads'
import { CheckIcon, ChevronDownIcon } from '../ui/icons'
import { Menu, MenuChoice } from '../ui/Menu'

export function ModelPicker({ threadKey }: { threadKey: string }) {
  const t = useT()
  const models = useServer((server) => server.models)
  const current = modelFor(useSettings(threadKey), models)
  const name = current?.id ?? t.model.none
  return (
    <Menu
      label={t.model.label}
      trigger={(props) => (
        <button
          {...props}
          type="button"
          data-testid="model-picker"
          aria-label={t.model.choose(name)}
          disabled={!models.length}
          onClick={() => void watchServer()}
          className="flex h-9 min-w-0 items-center gap-1.5 rounded-lg px-2.5 text-sm font-medium hover:bg-hover aria-expanded:bg-hover"
        >
          <span className="truncate">{name}</span>
          <ChevronDownIcon className="size-4 shrink-0 text-muted" />
        </button>
      )}
    >
      {models.map((model) => (
        <MenuChoice key={model.id} checked={model.id === current?.id} onClick={() => changeSettings(threadKey, { model: model.id })}>
          <ModelRow model={model} chosen={model.id === current?.id} />
        </MenuChoice>
      ))}
    </Menu>
  )
}

const DOTS = { ready: 'bg-accent', loading: 'bg-warn', cold: 'bg-line-strong', error: 'bg-danger' }

function ModelRow({ model: { id, feilun }, chosen }: { model: Model; chosen: boolean }) {
  const { model: words } = useT()
  const facts = [
    words.states[feilun.state],
    feilun.context_length && words.context(feilun.context_length),
    feilun.license,
  ].filter(Boolean)
  return (
    <>
      <span className={`size-2 shrink-0 rounded-full ${DOTS[feilun.state]}`} />
      <span className="min-w-0 flex-1">
        <span className="flex items-center gap-2 font-medium">
          <span className="truncate">{id}</span>
          {feilun.default && <span className="rounded-md bg-soft px-1.5 py-px text-xs font-normal text-accent">{words.isDefault}</span>}
        </span>
        <span className="block text-xs text-muted">{feilun.error ?? facts.join(' · ')}</span>
      </span>
      <span className="w-5 text-accent">{chosen && <CheckIcon />}</span>
    </>
  )
}
