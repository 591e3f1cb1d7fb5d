import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { build } from 'esbuild'
import { execa } from 'execa'
import { BUNDLE_OPTIONS } from '../scripts/bundle-options.ts'

/** As the daemon is run (package.json). A larger young generation only takes memory: what an event makes lives as short as it. */
const NODE_OPTIONS = ['--max-semi-space-size=8']

/**
 * Runs a script of this folder once for each list of arguments, in a process of its own, its start included: bundled and with
 * its code compiled, as a host runs the program (`npm run bundle`).
 *
 * @param warmUp arguments for a first run, of which nothing is told: it compiles, as the first start after an installation does
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
    // It looks for files beside the script.
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
