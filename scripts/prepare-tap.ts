/**
 * tap keeps its chosen plugins inside node_modules. After a fresh install it still has the default set, whose TypeScript
 * plugin does not work with TypeScript 7 and breaks every test; so the set of .taprc is built once.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { execa } from 'execa'

const ROOT = resolve(import.meta.dirname, '..')
const BUILT = resolve(ROOT, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
// Built beside the reports of test runs, and linked to from there.
const PLUGINS = resolve(ROOT, '.tap/plugins')

if (!existsSync(BUILT) || !existsSync(PLUGINS) || readFileSync(BUILT, 'utf8').includes('from "@tapjs/typescript"')) {
  await execa('tap', ['build'], { cwd: ROOT, preferLocal: true, timeout: 180_000 })
}
