import { readFileSync } from 'node:fs'
import type { Plugin } from 'vite'

const SOURCE = 'src/boot.js'

/**
 * Puts src/boot.js into the page as a script that blocks the first paint (modules come too late, and the server's CSP
 * allows no inline script), under a hashed name, because browsers keep assets for ever.
 */
export function bootScript(): Plugin {
  return {
    name: 'feilun:boot-script',
    generateBundle: {
      order: 'pre',
      handler() {
        this.emitFile({ type: 'asset', name: 'boot.js', source: readFileSync(SOURCE, 'utf8') })
      },
    },
    transformIndexHtml: {
      order: 'post',
      handler(_html, { bundle }) {
        const built = Object.values(bundle ?? {}).find((file) => file.type === 'asset' && file.names.includes('boot.js'))
        return [{ tag: 'script', attrs: { src: `/${built?.fileName ?? SOURCE}` }, injectTo: 'head-prepend' }]
      },
    },
  }
}
