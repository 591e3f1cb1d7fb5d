/**
 * `npm run bundle [-- FOLDER]` writes the program to a few files below FOLDER (default `dist/program`), for hosts. The bundle starts
 * in half the CPU time and needs neither the sources nor node_modules. It reads `plugin.json` two folders above FOLDER. The
 * command `demo` does not work in it, because it plays recordings of this repository.
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
  // Loads the files of a command only when it runs.
  splitting: true,
  legalComments: 'linked',
})
