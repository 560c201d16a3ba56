import tailwindcss from '@tailwindcss/vite'
import react from '@vitejs/plugin-react'
import { defineConfig } from 'vitest/config'
import { apiDocs } from './vite/api-docs'
import { bootScript } from './vite/boot-script'
import { woff2Only } from './vite/woff2-only'

// `npm run dev` talks to a running `feilun up`.
const server = process.env.FEILUN_DEV_SERVER ?? 'http://127.0.0.1:8765'
// The server refuses requests with a foreign Origin, so the proxy presents its own.
const proxy = { target: server, changeOrigin: true, headers: { origin: server } }

export default defineConfig({
  plugins: [woff2Only(), react(), tailwindcss(), bootScript(), apiDocs()],
  build: {
    outDir: '../src/feilun/console_dist',
    emptyOutDir: true,
    target: 'es2022',
    // Fonts stay files of their own: they load only when a formula needs them.
    assetsInlineLimit: 0,
    // The Markdown renderer with KaTeX and the highlighter; it loads apart from the entry.
    chunkSizeWarningLimit: 700,
  },
  server: { proxy: { '/api': proxy, '/v1': proxy } },
  test: { include: ['src/**/*.test.{ts,tsx}'] },
})
