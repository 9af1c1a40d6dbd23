import preact from '@preact/preset-vite'
import { defineConfig } from 'vite'

const page = '/function/system-console/'

// The build is relocatable: every URL in it is relative, so the page also works behind a path prefix. The
// development server has no such need and takes the path that the real one has.
export default defineConfig(({ command }) => ({
  base: command === 'serve' ? page : './',
  plugins: [preact()],
  build: {
    target: 'es2022',
    // light-dark() stays as it is: older browsers than these get the light colours.
    cssTarget: ['chrome123', 'firefox120', 'safari17.5'],
    outDir: '../dist',
    emptyOutDir: true,
    assetsInlineLimit: 0, // data: URLs would need a wider content security policy
    modulePreload: { polyfill: false },
  },
  server: {
    host: '127.0.0.1',
    proxy: {
      [`^/function/(?!${page.split('/')[2]})`]: process.env.HEARTH_GATEWAY ?? 'http://127.0.0.1:8080',
    },
  },
}))
