import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { execa } from 'execa'
import { BUNDLE_OPTIONS } from '../scripts/bundle-options.ts'

/**
 * The options with which the daemon runs (package.json). Objects of an event are short-lived, so a larger young
 * generation would only use memory.
 */
const NODE_OPTIONS = ['--max-semi-space-size=8']

/**
 * Runs a script of this folder once for each list of arguments, each time in its own process. The script is bundled and its code is
 * in the compile cache, as when a host runs the program (`npm run bundle`). The figures include the start of the process.
 *
 * @param warmUp arguments of a first run, which fills the compile cache as the first start after an installation does; its output is
 * discarded
 */
export async function measureInProcesses(
  script: string,
  warmUp: readonly string[],
  runs: readonly (readonly string[])[],
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), 'resync-monitor-bench-'))
  const program = join(folder, 'program.mjs')
  await build({
    ...BUNDLE_OPTIONS,
    entryPoints: [script],
    outfile: program,
    // The bundle is in another folder, and the script opens files in its own folder.
    define: { 'import.meta.dirname': JSON.stringify(dirname(script)) },
  })
  const run = (args: readonly string[], stdout: 'inherit' | 'ignore') =>
    execa(process.execPath, [...NODE_OPTIONS, program, ...args], {
      env: { NODE_COMPILE_CACHE: join(folder, 'cache') },
      stdout,
      stderr: 'inherit',
    })
  try {
    await run(warmUp, 'ignore')
    for (const args of runs) await run(args, 'inherit')
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
