import { useId, useState } from 'react'
import type { Settings } from '../api/types'
import { useT } from '../i18n'
import { usePrefs } from '../state/prefs'
import { NEW } from '../state/route'
import { modelFor, useServer } from '../state/server'
import { withoutUnset } from '../state/settings'
import { changeSettings, useSettings } from '../state/threads'
import { Button } from '../ui/Button'
import { Dialog } from '../ui/Dialog'
import { TextArea } from '../ui/TextArea'
import { NumberField } from './NumberField'
import { RangeField } from './RangeField'

interface Props {
  threadKey: string
  open: boolean
  onClose: () => void
}

/** System prompt and sampling, of one conversation or, in a new chat, of all that follow. Every change is kept at once. */
export function SettingsSheet({ threadKey, open, onClose }: Props) {
  const t = useT()
  const isNew = threadKey === NEW
  return (
    <Dialog open={open} onClose={onClose} place="right" title={isNew ? t.settings.titleNew : t.settings.title} hint={isNew ? t.settings.hintNew : t.settings.hint}>
      <Form key={threadKey} threadKey={threadKey} />
    </Dialog>
  )
}

function Form({ threadKey }: { threadKey: string }) {
  const { settings: words } = useT()
  const settings = useSettings(threadKey)
  const models = useServer((server) => server.models)
  const { defaults, set } = usePrefs()
  const isNew = threadKey === NEW
  // A model that new chats begin with anyway need not be named, so that they follow when the default is another one.
  const sameModel = modelFor(settings, models) === modelFor(defaults, models)
  const asDefaults = withoutUnset(sameModel ? { ...settings, model: defaults.model } : settings)
  const isDefault = JSON.stringify(sorted(asDefaults)) === JSON.stringify(sorted(defaults))
  const systemId = useId()
  const [typed, setTyped] = useState<string | null>(null)
  return (
    <div className="flex flex-col gap-6 px-5 pt-2 pb-6">
      <div>
        <label htmlFor={systemId} className="mb-1.5 block text-sm font-medium">
          {words.system}
        </label>
        <TextArea
          id={systemId}
          data-testid="system-prompt"
          rows={5}
          placeholder={words.systemPlaceholder}
          value={typed ?? settings.system ?? ''}
          onChange={(event) => {
            setTyped(event.target.value)
            changeSettings(threadKey, { system: event.target.value })
          }}
          className="block max-h-[40dvh] w-full resize-none rounded-xl border border-line bg-raised px-3 py-2 text-sm leading-relaxed"
        />
      </div>
      <RangeField
        testId="temperature" label={words.temperature} hint={words.temperatureHint} max={2} step={0.05} start={0.7}
        value={settings.temperature} onChange={(temperature) => changeSettings(threadKey, { temperature })}
      />
      <RangeField
        testId="top-p" label={words.topP} hint={words.topPHint} max={1} step={0.01} start={0.95}
        value={settings.top_p} onChange={(top_p) => changeSettings(threadKey, { top_p })}
      />
      <NumberField
        testId="max-tokens" label={words.maxTokens} min={1} max={1_000_000}
        value={settings.max_tokens} onChange={(max_tokens) => changeSettings(threadKey, { max_tokens })}
      />
      <NumberField
        testId="seed" label={words.seed} hint={words.seedHint} min={0} max={4_294_967_295}
        value={settings.seed} onChange={(seed) => changeSettings(threadKey, { seed })}
      />
      {!isNew && (
        <Button onClick={() => set({ defaults: asDefaults })} disabled={isDefault}>
          {isDefault ? words.asDefaultDone : words.asDefault}
        </Button>
      )}
    </div>
  )
}

const sorted = (settings: Settings) => Object.entries(settings).sort(([a], [b]) => a.localeCompare(b))
