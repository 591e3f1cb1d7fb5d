/**
 * Measures the md source of a host: a glance (every 4 s while all arrays are in sync), a whole reading (every 8 s in that case,
 * every second while a resync runs), and the load of an idle source, which is computed from both. Prints one JSON line per figure.
 *
 * Figures are medians of the CPU time of the whole process, including its file-reading threads. The files are in a copy of /proc and
 * /sys on disk, so the figures contain the system calls but not the kernel's work to produce the content of the files.
 */

import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { MdReader } from '../src/mdraid-adapter/follow/md-reader.ts'
import { PublishedArrays } from '../src/mdraid-adapter/follow/published-arrays.ts'
import { FileReader } from '../src/platform/file-reader/file-reader.ts'
import { foregroundClock } from '../src/platform/time/clock.ts'

const SIZES = [1, 24, 256] as const
const ROUNDS = 9
const IDLE_EVERY_SECONDS = 4
const WHOLE_EVERY_SECONDS = 8

const ARRAY_FILES = {
  array_state: 'clean',
  sync_action: 'idle',
  sync_completed: 'none',
  resync_start: 'none',
  reshape_position: 'none',
  last_sync_action: 'resync',
  mismatch_cnt: '0',
  level: 'raid1',
  raid_disks: '2',
  degraded: '0',
}

/** Writes the files of a host with `size` raid1 arrays that are in sync. */
function makeHost(root: string, size: number): void {
  const lines = ['Personalities : [raid1] ']
  for (let index = 0; index < size; index += 1) {
    const name = `md${index}`
    const files: Record<string, string> = { ...ARRAY_FILES, uuid: uuid(index) }
    for (const slot of [0, 1]) {
      files[`dev-vd${slot}/state`] = 'in_sync'
      files[`dev-vd${slot}/slot`] = `${slot}`
    }
    for (const [file, text] of Object.entries(files)) {
      const path = join(root, 'sys/block', name, 'md', file)
      mkdirSync(dirname(path), { recursive: true })
      writeFileSync(path, `${text}\n`)
    }
    lines.push(`${name} : active raid1 vd1[1] vd0[0]`, '      64512 blocks super 1.2 [2/2] [UU]', '      ')
  }
  mkdirSync(join(root, 'proc'))
  writeFileSync(join(root, 'proc/mdstat'), `${[...lines, 'unused devices: <none>'].join('\n')}\n`)
}

function uuid(index: number): string {
  return `8349c26d-d272-2bc4-d0d7-${index.toString(16).padStart(12, '0')}`
}

/** Returns the median CPU microseconds of one call of `work`. */
async function measure(times: number, work: () => Promise<unknown>): Promise<number> {
  await work()
  const figures: number[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    const before = process.cpuUsage()
    for (let time = 0; time < times; time += 1) await work()
    const { user, system } = process.cpuUsage(before)
    figures.push((user + system) / times)
  }
  return figures.toSorted((a, b) => a - b)[Math.floor(ROUNDS / 2)] ?? Number.NaN
}

for (const arrays of SIZES) {
  const root = mkdtempSync(join(tmpdir(), 'md-bench-'))
  makeHost(root, arrays)
  const paths = { sysBlock: join(root, 'sys/block'), mdstat: join(root, 'proc/mdstat') }
  const end = new AbortController()
  const files = new FileReader({ clock: foregroundClock, timeoutMs: 10_000, retryAfterMs: 10_000, signal: end.signal })
  const reader = new MdReader(paths, files)
  const published = new PublishedArrays()
  const times = Math.max(2, Math.round(256 / arrays))
  const glanceMicros = await measure(times, () => reader.list())
  const wholeMicros = await measure(times, async () => published.publish(await reader.read(await reader.list()), 0))
  if (published.size !== arrays || published.isUnsettled) throw new Error('the arrays were not read completely')
  const idlePercent = (glanceMicros / IDLE_EVERY_SECONDS + wholeMicros / WHOLE_EVERY_SECONDS) / 1e4
  printFigure('glance', arrays, Math.round(glanceMicros), 'CPU us')
  printFigure('whole reading', arrays, Math.round(wholeMicros), 'CPU us')
  printFigure('idle', arrays, Math.round(idlePercent * 1e4) / 1e4, '% of a core')
  end.abort()
  rmSync(root, { recursive: true, force: true })
}

function printFigure(figure: string, arrays: number, value: number, unit: string): void {
  process.stdout.write(`${JSON.stringify({ bench: 'md-source', figure, arrays, value, unit })}\n`)
}
