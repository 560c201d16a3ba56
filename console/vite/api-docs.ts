import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import type { Plugin } from 'vite'

const FILES = ['swagger-ui.css', 'swagger-ui-bundle.js', 'LICENSE']

/** Puts Swagger UI's files where the server's /docs page expects them. */
export function apiDocs(): Plugin {
  return {
    name: 'feilun:api-docs',
    apply: 'build',
    generateBundle() {
      const require = createRequire(import.meta.url)
      const root = dirname(require.resolve('swagger-ui-dist/package.json'))
      for (const name of FILES) {
        this.emitFile({ type: 'asset', fileName: `docs/${name}`, source: readFileSync(join(root, name)) })
      }
    },
  }
}
