import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { cast, parseRecording } from '../../../src/demo/stand-in/recording.ts'
import { type Stage, writeStage } from '../../../src/demo/stand-in/stage.ts'

const STAND_IN = join(import.meta.dirname, '../../../src/demo/stand-in/drbdsetup.ts')
const SCENARIO = join(import.meta.dirname, '../../../scenarios/reboot-and-resync')
const CASTING = {
  alpha: { hostname: 'hostC', nodeId: 2 },
  bravo: { hostname: 'hostA', nodeId: 0 },
  charlie: { hostname: 'hostB', nodeId: 1 },
}

t.test('a recording is a dump and what followed it', async t => {
  const { dump, events } = parseRecording(readFileSync(join(SCENARIO, 'alpha.events2.txt'), 'utf8'), ['mesh0'])
  t.equal(dump.at(-1)?.text, 'exists -')
  t.ok([...dump.slice(0, -1), ...events].every(({ text }) => text.includes(' name:mesh0 ')))
  t.ok(events.every(({ text }) => !text.startsWith('exists ')))
  t.throws(() => parseRecording('2026-11-22T16:20:24Z exists resource name:r0\n', null), /no `exists -`/)
  t.throws(() => parseRecording('exists -\n', null), /timestamps/)
})

t.test("the pool's hosts take the parts of the recorded ones, with their own node ids", async t => {
  t.equal(
    cast('change connection name:mesh0 peer-node-id:1 conn-name:bravo connection:Connected', CASTING),
    'change connection name:mesh0 peer-node-id:0 conn-name:hostA connection:Connected',
  )
  const other = 'change connection name:mesh0 peer-node-id:7 conn-name:delta'
  t.equal(cast(other, CASTING), other)
  t.equal(cast('exists -', CASTING), 'exists -')
})

/** Starts a stand-in and gathers its lines until `enough` says so. */
async function gather(stage: string, options: readonly string[], enough: (lines: readonly string[]) => boolean) {
  const child = execa(process.execPath, [STAND_IN, '--stage', stage, 'events2', ...options], {
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
const stageOf = (stories: Stage['stories']): Stage => ({
  dump: RECORDING,
  resources: ['mesh0'],
  casting: CASTING,
  stories,
})
const lastOf = (lines: readonly string[]) => lines.at(-1) ?? ''

t.test('it prints the dump, and then what it is given to play, with the present time', async t => {
  const stage = join(t.testdir({}), 'stage.json')
  writeStage(stage, stageOf([]))
  let begun = 0
  const lines = await gather(stage, ['--timestamps'], so => {
    if (lastOf(so).endsWith('exists -')) {
      begun = Date.now()
      const play = { recording: RECORDING, recordedFrom: from, recordedUntil: until, beginsAt: begun, speed: 200 }
      writeStage(stage, stageOf([{ id: 1, ...play }]))
    }
    return lastOf(so).includes('replication:SyncSource')
  })
  const at = Date.parse(lastOf(lines).slice(0, lastOf(lines).indexOf(' ')))
  const recorded = Date.parse('2026-11-22T16:21:17.062180Z')
  t.ok(Math.abs(at - (begun + (recorded - from) / 200)) <= 1, 'at the pace it was recorded, so many times as fast')
  t.match(lastOf(lines), /peer-node-id:1 conn-name:hostB/)
})

t.test('started later, it tells what has happened before it ends its dump', async t => {
  const stage = join(t.testdir({}), 'stage.json')
  const over = { recording: RECORDING, recordedFrom: from, beginsAt: Date.now() - 60_000, speed: 200 }
  writeStage(
    stage,
    stageOf([
      { id: 1, recordedUntil: Date.parse('2026-11-22T16:21:14Z'), ...over },
      { id: 2, recordedUntil: until, ...over, recordedFrom: Date.parse('2026-11-22T16:21:14Z') },
    ]),
  )
  const lines = await gather(stage, [], so => lastOf(so) === 'exists -')
  t.match(lines.at(-2), /out-of-sync:0/)
  t.ok(lines.some(line => line.includes('replication:SyncSource')))
  t.ok(
    lines.every(line => /^(exists|change|call|response) /.test(line)),
    'no timestamps unless asked for',
  )
})

t.test('asked for what is now, it tells that and ends', async t => {
  const stage = join(t.testdir({}), 'stage.json')
  const recordedFrom = Date.parse('2026-11-22T16:21:14Z')
  const begun = { recording: RECORDING, recordedFrom, recordedUntil: until, beginsAt: Date.now() - 60_000, speed: 200 }
  writeStage(stage, stageOf([{ id: 1, ...begun }]))
  const args = [STAND_IN, '--stage', stage, 'events2', '--now', '--statistics']
  const { exitCode, stdout } = await execa(process.execPath, args, { timeout: 20_000 })
  t.equal(exitCode, 0)
  t.match(stdout, /^exists resource name:mesh0 /)
  t.match(stdout, /replication:SyncSource/)
  t.match(stdout, /\nexists -$/)
})

t.test('anything but events2 is refused, as an old drbdsetup would', async t => {
  t.match(await execa(process.execPath, [STAND_IN, 'status', '--json'], { reject: false }), {
    exitCode: 20,
    stderr: /usage/,
  })
})
