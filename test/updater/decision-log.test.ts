import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import type { DecisionEvent, OperationsChange } from '../../src/updater/decision-events.ts'
import { DecisionLog, type DecisionLogOptions } from '../../src/updater/decision-log.ts'
import { iso, NOW, pool, RESYNCING, received, withReports } from '../allowed-operations/pool-of-three.ts'
import { watchedPool } from './watched-pool.ts'

const OF = withReports(pool(), received('b', RESYNCING))

function change(changes: Partial<OperationsChange> = {}): OperationsChange {
  const verdicts = decide(OF, DEFAULT_POLICY, NOW).get('a')
  if (verdicts === undefined) throw new Error('the example has no host a')
  const causes = [{ code: 'report-changed', host: 'b', sr: 'sr', before: 'synced', after: 'resyncing' }] as const
  return {
    code: 'operations-changed',
    at: NOW,
    host: 'a',
    left: ['reboot'],
    returned: [],
    allowed: ['evacuate'],
    verdicts,
    causes,
    pool: OF,
    ...changes,
  }
}

interface Tap {
  testdir(): string
}

const LOG_OPTIONS = { maxBytes: 10_485_760, knownWithinMs: 6_000, now: () => NOW } as const

function log(t: Tap, options: Partial<DecisionLogOptions> = {}) {
  const errors: unknown[] = []
  const path = join(t.testdir(), 'decisions.log')
  const open = () => new DecisionLog({ ...LOG_OPTIONS, path, onError: error => errors.push(error), ...options })
  return { path, errors, open, opened: open() }
}

/** `null`: a line that was cut. */
function linesIn(path: string): unknown[] {
  return readFileSync(path, 'utf8')
    .split('\n')
    .slice(0, -1)
    .map(line => {
      try {
        return JSON.parse(line)
      } catch {
        return null
      }
    })
}

function linesOf(path: string): unknown[] {
  const text = readFileSync(path, 'utf8')
  if (!text.endsWith('\n')) throw new Error('the last line is cut')
  return text
    .slice(0, -1)
    .split('\n')
    .map(line => JSON.parse(line))
}

const STARTED = { at: iso(NOW), event: 'updater-started' }

t.test('one line for the start of each run and one for each change, in order', async t => {
  const { path, open, opened, errors } = log(t)
  const hosts = Array.from({ length: 100 }, (_, index) => `h${index}`)
  for (const host of hosts) opened.record(change({ host }))
  await opened.close()
  await open().close()
  const [first, second, ...more] = linesOf(path)
  t.strictSame(first, STARTED)
  t.strictSame(second, {
    at: iso(NOW),
    event: 'operations-changed',
    host: 'h0',
    hostName: 'h0',
    left: ['reboot'],
    returned: [],
    allowed: ['evacuate'],
    causes: [
      {
        code: 'report-changed',
        host: 'b',
        sr: 'sr',
        before: 'synced',
        after: 'resyncing',
        text: 'the report of host-b for SR uuid-sr changed from synced to resyncing',
      },
    ],
    causesOmitted: 0,
    reasons: [
      { code: 'not-synced', host: 'b', sr: 'sr', text: 'SR uuid-sr: host-b is resynchronising (clears by itself)' },
    ],
    reasonsOmitted: 0,
  })
  t.match(more, [...hosts.slice(1).map(host => ({ host })), STARTED])
  t.equal(more.length, 100)
  t.strictSame(errors, [])
})

t.test('a line has a bounded number of causes', async t => {
  const { path, opened } = log(t)
  opened.record(change({ causes: Array.from({ length: 20 }, () => ({ code: 'host-live', host: 'b' }) as const) }))
  await opened.close()
  t.match(linesOf(path)[1], { causes: { length: 8 }, causesOmitted: 12, reasonsOmitted: 0 })
})

t.test('a file that would grow too large is moved aside and replaces the previous one', async t => {
  const { path, opened, errors } = log(t, { maxBytes: 2_000 })
  for (let index = 0; index < 10; index += 1) opened.record(change({ host: `h${index}` }))
  await opened.close()
  const all = [...linesOf(`${path}.1`), ...linesOf(path)]
  t.match(all.slice(-3), [{ host: 'h7' }, { host: 'h8' }, { host: 'h9' }])
  t.ok(all.length < 11, 'the oldest lines are gone')
  for (const each of [path, `${path}.1`]) t.ok(readFileSync(each).length <= 2_000)
  t.strictSame(errors, [])
})

t.test('a line that was cut does not damage another', async t => {
  const folder = t.testdir({ 'decisions.log': `${JSON.stringify(STARTED)}\n{"at":"2026-` })
  const path = join(folder, 'decisions.log')
  await new DecisionLog({ ...LOG_OPTIONS, path, onError: error => t.error(error) }).close()
  t.equal(readFileSync(path, 'utf8').split('\n')[2], JSON.stringify(STARTED))
})

t.test('lines that cannot be written are reported and counted, and nothing waits for them', async t => {
  const folder = join(t.testdir({}), 'missing')
  const failed = Promise.withResolvers<unknown>()
  const { opened } = log(t, { path: join(folder, 'decisions.log'), onError: failed.resolve })
  t.match(await failed.promise, { code: 'ENOENT' })
  mkdirSync(folder)
  opened.record(change())
  await opened.close()
  t.match(linesOf(join(folder, 'decisions.log')), [{ event: 'lines-lost', count: 1 }, { host: 'a' }])
})

t.test('a disk that takes only some of the lines: the others are counted once', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'decisions.log')
  const script = join(import.meta.dirname, 'log-on-full-disk.ts')
  // files of at most 3 KiB
  await execa('bash', ['-c', `ulimit -f 3; exec "$0" "$@"`, process.execPath, script, path], {
    env: { NODE_V8_COVERAGE: '' },
  })
  const [whole, cut] = [linesIn(`${path}.full`), readFileSync(`${path}.full`, 'utf8').split('\n').at(-1)]
  t.ok(whole.length > 1 && whole.length < 61, `${whole.length} of 61 are there`)
  t.notOk(whole.includes(null))
  t.not(cut, '', 'and a part of another line, which is lost')
  t.match(linesOf(path), [
    { event: 'lines-lost', count: 61 - whole.length },
    { event: 'lines-lost', count: 1 },
  ])
})

t.test('lines that were written before a failure are not counted as lost', async t => {
  const folder = t.testdir({})
  const path = join(folder, 'decisions.log')
  const errors: unknown[] = []
  const opened = new DecisionLog({ ...LOG_OPTIONS, path, maxBytes: 2_000, onError: error => errors.push(error) })
  await opened.close()
  const again = new DecisionLog({ ...LOG_OPTIONS, path, maxBytes: 2_000, onError: error => errors.push(error) })
  // the file cannot be moved aside: a folder that is not empty has that name
  mkdirSync(join(`${path}.1`, 'in the way'), { recursive: true })
  for (let index = 0; index < 10; index += 1) again.record(change({ host: `h${index}` }))
  await again.close()
  t.equal(errors.length, 1)
  const written = linesOf(path).length
  rmSync(`${path}.1`, { recursive: true })
  again.record(change({ host: 'later' }))
  await again.close()
  const lost = linesOf(path).filter(line => JSON.stringify(line).includes('lines-lost'))
  // two starts, ten changes, and one that came after `close`
  t.match(lost, [{ event: 'lines-lost', count: 12 - written }])
})

t.test('lines that come after `close` are counted', async t => {
  const { path, opened } = log(t)
  const closing = opened.close()
  opened.record(change())
  await closing
  t.match(linesOf(path), [STARTED, { event: 'lines-lost', count: 1 }])
  opened.record(change())
  await opened.close()
  t.match(linesOf(path).slice(2), [{ event: 'lines-lost', count: 1 }])
})

t.test('an override has a line with the reasons that it lifts', async t => {
  const { path, opened } = log(t)
  const override = { host: 'a', reason: 'burnt disk', by: 'root', createdMs: NOW, expiresMs: NOW + 60_000 }
  const { reasons } = change().verdicts.reboot
  opened.record({ code: 'override-set', at: NOW, host: 'a', override, pool: OF })
  opened.record({
    code: 'override-used',
    at: NOW,
    host: 'a',
    override: { host: 'a', reason: 'burnt disk', expiresMs: NOW },
    operation: 'reboot',
    reasons,
    pool: OF,
  })
  await opened.close()
  t.strictSame(linesOf(path).slice(1), [
    {
      at: iso(NOW),
      event: 'override-set',
      host: 'a',
      hostName: 'host-a',
      by: 'root',
      reason: 'burnt disk',
      expiresAt: iso(NOW + 60_000),
      text: 'host-a may go down because of the override of root until 2026-11-22T16:01:00.000Z: burnt disk',
    },
    {
      at: iso(NOW),
      event: 'override-used',
      host: 'a',
      hostName: 'host-a',
      by: null,
      reason: 'burnt disk',
      expiresAt: iso(NOW),
      text: 'reboot of host-a began because of the override of somebody until 2026-11-22T16:00:00.000Z: burnt disk',
      operation: 'reboot',
      reasons: [
        { code: 'not-synced', host: 'b', sr: 'sr', text: 'SR uuid-sr: host-b is resynchronising (clears by itself)' },
      ],
      reasonsOmitted: 0,
    },
  ])
})

t.test('the lines that wait for a slow disk are bounded', async t => {
  const { path, opened } = log(t)
  const override = { host: 'b', reason: 'x'.repeat(4_000), expiresMs: NOW }
  const causes = Array.from({ length: 16 }, () => ({ code: 'override-set', host: 'b', override }) as const)
  const records = 100
  for (let index = 0; index < records; index += 1) opened.record(change({ causes }))
  await opened.close()
  const lines = linesOf(path)
  t.ok(readFileSync(path).length < 5 * 1024 * 1024)
  t.ok(lines.length < records)
  t.match(lines.at(-1), { event: 'lines-lost', count: records - (lines.length - 2) })
})

t.test('the lines of a real pool: what changed a field, and the reasons', async t => {
  const { path, opened } = log(t)
  const watched = await watchedPool(t, {
    decided: event => event.code === 'operations-changed' && opened.record(event),
  })
  watched.updater().start()
  for (const index of [0, 1, 2]) await watched.push(index, 'synced')
  await watched.push(1, 'resyncing')
  await watched.setOverride(0, 60_000)
  await opened.close()
  t.match(linesOf(path).slice(-4), [
    { hostName: 'hostA', left: ['shutdown', 'reboot', 'apply_updates'], causes: [{ code: 'report-changed' }] },
    { hostName: 'hostB', left: ['shutdown', 'reboot', 'apply_updates'], causes: [{ code: 'report-changed' }] },
    { hostName: 'hostC', left: ['shutdown', 'reboot', 'apply_updates'], causes: [{ code: 'report-changed' }] },
    {
      hostName: 'hostA',
      returned: ['shutdown', 'reboot', 'apply_updates'],
      causes: [{ code: 'override-set', override: { by: 'root', reason: 'burnt disk' } }],
      reasons: [{ code: 'not-synced', text: /allowed by override of root until 2026-11-22T16:01:00.000Z: burnt disk/ }],
    },
  ])
})

t.test('each accepted operation has a line that states how old its data is', async t => {
  const path = join(t.testdir(), 'decisions.log')
  const decisions = new DecisionLog({ ...LOG_OPTIONS, path, onError: () => undefined })
  const claims: DecisionEvent[] = []
  const watched = await watchedPool(t, {
    decided: event => event.code === 'operation-accepted' && claims.push(event),
  })
  watched.updater().start()
  for (const index of [0, 1, 2]) await watched.push(index, 'synced')
  await watched.time.advanceAsync(20_000)
  await watched.push(0, 'synced')
  await watched.push(2, 'synced')
  await watched.time.advanceAsync(1_000)
  t.equal(await watched.reboot(0), 'accepted')
  t.equal(await watched.reboot(1), 'CLUSTERED_SR_DEGRADED')
  t.equal(claims.length, 1, 'a refused operation has none')
  const [claim] = claims
  if (claim === undefined) throw new Error('no operation was accepted')
  decisions.record(claim)
  await decisions.close()
  t.match(linesOf(path)[1], {
    event: 'operation-accepted',
    hostName: 'hostA',
    operation: 'reboot',
    knownWithinSeconds: 6,
    srs: 1,
    oldestReport: { host: watched.hosts[1], sr: watched.sr, ageMs: 21_000 },
    text: 'reboot of hostA was accepted; the oldest report was confirmed 21 s ago, by hostB; changes of the last 6 s may not be known yet',
  })
})
