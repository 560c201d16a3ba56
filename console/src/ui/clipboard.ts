import { t } from '../i18n'
import { toast } from '../state/notices'

export async function copyText(text: string): Promise<boolean> {
  try {
    await navigator.clipboard.writeText(text)
    return true
  } catch {
    toast(t().errors.copy, { tone: 'error' })
    return false
  }
}
