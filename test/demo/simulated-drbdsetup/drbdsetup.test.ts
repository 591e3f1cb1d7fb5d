import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { type Playback, writePlayback } from '../../../src/demo/simulated-drbdsetup/playback.ts'
import { parseRecording, replaceHost } from '../../../src/demo/simulated-drbdsetup/recording.ts'

const DRBDSETUP = join(import.meta.dirname, '../../../src/demo/simulated-drbdsetup/drbdsetup.ts')
const SCENARIO = join(import.meta.dirname, '../../../scenarios/reboot-and-resync')
const MAPPING = {
  alpha: { hostname: 'hostC', nodeId: 2 },
  bravo: { hostname: 'hostA', nodeId: 0 },
  charlie: { hostname: 'hostB', nodeId: 1 },
}

t.test('parseRecording splits a recording into its initial dump and the events', async t => {
  const { dump, events } = parseRecording(readFileSync(join(SCENARIO, 'alpha.events2.txt'), 'utf8'), ['mesh0'])
  t.equal(dump.at(-1)?.text, 'exists -')
  t.ok([...dump.slice(0, -1), ...events].every(({ text }) => text.includes(' name:mesh0 ')))
  t.ok(events.every(({ text }) => !text.startsWith('exists ')))
  t.throws(() => parseRecording('2026-11-22T16:20:24Z exists resource name:r0\n', null), /no `exists -`/)
  t.throws(() => parseRecording('exists -\n', null), /timestamps/)
})

t.test('replaceHost replaces the recorded host by a host of the pool with its own node id', async t => {
  t.equal(
    replaceHost('change connection name:mesh0 peer-node-id:1 conn-name:bravo connection:Connected', MAPPING),
    'change connection name:mesh0 peer-node-id:0 conn-name:hostA connection:Connected',
  )
  const other = 'change connection name:mesh0 peer-node-id:7 conn-name:delta'
  t.equal(replaceHost(other, MAPPING), other)
  t.equal(replaceHost('exists -', MAPPING), 'exists -')
})

/** Starts the simulated drbdsetup and collects its lines until `enough` returns true. */
async function gather(path: string, options: readonly string[], enough: (lines: readonly string[]) => boolean) {
  const child = execa(process.execPath, [DRBDSETUP, '--playback', path, 'events2', ...options], {
    reject: false,
    timeout: 20_000,
  })
  const lines: string[] = []
  for await (const line of child) {
    lines.push(line)
    if (!enough(lines)) continue
    child.kill('SIGKILL')
    break
  }
  await child
  return lines
}

const RECORDING = join(SCENARIO, 'bravo.events2.txt')
const from = Date.parse('2026-11-22T16:20:28Z')
const until = Date.parse('2026-11-22T16:21:31Z')
const playbackOf = (parts: Playback['parts']): Playback => ({
  dump: RECORDING,
  resources: ['mesh0'],
  mapping: MAPPING,
  parts,
})
const lastOf = (lines: readonly string[]) => lines.at(-1) ?? ''

t.test('it prints the initial dump, then the parts of the playback with the present time', async t => {
  const path = join(t.testdir({}), 'playback.json')
  writePlayback(path, playbackOf([]))
  let begun = 0
  const lines = await gather(path, ['--timestamps'], so => {
    if (lastOf(so).endsWith('exists -')) {
      begun = Date.now()
      const play = { recording: RECORDING, recordedFrom: from, recordedUntil: until, beginsAt: begun, speed: 200 }
      writePlayback(path, playbackOf([{ id: 1, ...play }]))
    }
    return lastOf(so).includes('replication:SyncSource')
  })
  const at = Date.parse(lastOf(lines).slice(0, lastOf(lines).indexOf(' ')))
  const recorded = Date.parse('2026-11-22T16:21:17.062180Z')
  t.ok(Math.abs(at - (begun + (recorded - from) / 200)) <= 1, 'at the recorded intervals divided by the speed')
  t.match(lastOf(lines), /peer-node-id:1 conn-name:hostB/)
})

t.test('events that are over when it starts belong to its initial dump', async t => {
  const path = join(t.testdir({}), 'playback.json')
  const over = { recording: RECORDING, recordedFrom: from, beginsAt: Date.now() - 60_000, speed: 200 }
  writePlayback(
    path,
    playbackOf([
      { id: 1, recordedUntil: Date.parse('2026-11-22T16:21:14Z'), ...over },
      { id: 2, recordedUntil: until, ...over, recordedFrom: Date.parse('2026-11-22T16:21:14Z') },
    ]),
  )
  const lines = await gather(path, [], so => lastOf(so) === 'exists -')
  t.match(lines.at(-2), /out-of-sync:0/)
  t.ok(lines.some(line => line.includes('replication:SyncSource')))
  t.ok(
    lines.every(line => /^(exists|change|call|response) /.test(line)),
    'no timestamps unless asked for',
  )
})

t.test('with --now it ends after the initial dump', async t => {
  const path = join(t.testdir({}), 'playback.json')
  const recordedFrom = Date.parse('2026-11-22T16:21:14Z')
  const begun = { recording: RECORDING, recordedFrom, recordedUntil: until, beginsAt: Date.now() - 60_000, speed: 200 }
  writePlayback(path, playbackOf([{ id: 1, ...begun }]))
  const args = [DRBDSETUP, '--playback', path, 'events2', '--now', '--statistics']
  const { exitCode, stdout } = await execa(process.execPath, args, { timeout: 20_000 })
  t.equal(exitCode, 0)
  t.match(stdout, /^exists resource name:mesh0 /)
  t.match(stdout, /replication:SyncSource/)
  t.match(stdout, /\nexists -$/)
})

t.test('any other command than events2 is refused, as by an old drbdsetup', async t => {
  t.match(await execa(process.execPath, [DRBDSETUP, 'status', '--json'], { reject: false }), {
    exitCode: 20,
    stderr: /usage/,
  })
})
