import { useState } from 'react'
import { useT } from '../i18n'
import { speak } from '../state/notices'
import { IconButton } from './Button'
import { copyText } from './clipboard'
import { CheckIcon, CopyIcon } from './icons'

const SHOWN_MS = 1600

interface Props {
  label: string
  getText: () => string
  testId?: string
}

export function CopyButton({ label, getText, testId }: Props) {
  const t = useT()
  const [copied, setCopied] = useState(false)
  const copy = async () => {
    if (!(await copyText(getText()))) return
    speak(t.copied)
    setCopied(true)
    setTimeout(() => setCopied(false), SHOWN_MS)
  }
  return (
    <IconButton label={copied ? t.copied : label} onClick={copy} data-testid={testId}>
      {copied ? <CheckIcon className="size-4.5 text-accent" /> : <CopyIcon className="size-4.5" />}
    </IconButton>
  )
}
