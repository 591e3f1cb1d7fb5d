/**
 * Builds tap's plugin set of .taprc once after an installation. tap keeps its plugins inside node_modules; a fresh install has the
 * default set, whose TypeScript plugin does not work with TypeScript 7 and fails every test.
 */
import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { execa } from 'execa'

const ROOT = resolve(import.meta.dirname, '..')
const BUILT = resolve(ROOT, 'node_modules/@tapjs/test/test-built/dist/esm/index.js')
// tap builds the plugins here and links to them from node_modules.
const PLUGINS = resolve(ROOT, '.tap/plugins')

if (!existsSync(BUILT) || !existsSync(PLUGINS) || readFileSync(BUILT, 'utf8').includes('from "@tapjs/typescript"')) {
  await execa('tap', ['build'], { cwd: ROOT, preferLocal: true, timeout: 180_000 })
}
