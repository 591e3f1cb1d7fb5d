/**
 * `npm run bundle [-- FOLDER]` puts the program into a few files below FOLDER, for hosts: it then starts in half the CPU time,
 * and needs neither the sources nor node_modules. Two folders above FOLDER it looks for `plugin.json`, as here above the
 * usual one, `dist/program`. Of the commands only `demo` does not work there: it plays the recordings of this folder.
 */
import { rmSync } from 'node:fs'
import { resolve } from 'node:path'
import { build } from 'esbuild'
import { BUNDLE_OPTIONS } from './bundle-options.ts'

const ROOT = resolve(import.meta.dirname, '..')
const OUT = resolve(ROOT, process.argv[2] ?? 'dist/program')

rmSync(OUT, { recursive: true, force: true })
await build({
  ...BUNDLE_OPTIONS,
  absWorkingDir: ROOT,
  entryPoints: ['bin/resync-monitor.js'],
  outdir: OUT,
  // A command's own files are loaded when it runs.
  splitting: true,
  legalComments: 'linked',
})
