import { chmodSync, copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentConfigSchema } from '../../src/agent/agent-config.ts'
import { AgentService } from '../../src/agent/agent-service.ts'
import { expectedVolumes } from '../../src/drbd-adapter/expected-volumes.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { ConfiguredPeer } from '../../src/sync-query/judge/configured-peers.ts'
import { peer } from '../sync-query/drbd-volume.ts'
import { until } from '../xapi-notify/toolstack-under-test.ts'
import { configured, configuredPeer, drbdSr, hostOf, SR, volume } from './host-under-test.ts'

const HOST_C = configuredPeer('hostC')
const BOTH = [configuredPeer('hostB'), HOST_C]

const named = (...peers: readonly ConfiguredPeer[]) => expectedVolumes(configured(['mesh/0'], peers), [])

/** `state code@peer …` of the SR. */
const verdictOf = ({ host }: Pick<ReturnType<typeof hostOf>, 'host'>) => {
  const { state, reasons } = host.report(SR) ?? { state: 'none', reasons: [] }
  return [state, ...reasons.map(each => (each.peer === undefined ? each.code : `${each.code}@${each.peer}`))].join(' ')
}

t.test(
  'after a start a configured peer that the kernel lacks counts as missing at once, in either order of reading',
  async t => {
    const before = hostOf()
    before.host.expect('drbd', named(...BOTH))
    before.observe(0, [volume('mesh/0')])
    t.equal(verdictOf(before), 'degraded peer-missing@hostC', 'the configuration is read first')
    const after = hostOf({ expectationPace: { forgetAfterMs: 600_000, missAfterMs: 3_000 } })
    after.host.expect('drbd', [], 'not read yet')
    after.observe(0, [volume('mesh/0')])
    after.host.expect('drbd', named(...BOTH))
    t.equal(verdictOf(after), 'degraded peer-missing@hostC', 'the kernel is read first: a start grants no grace period')
    t.notOk(after.kinds.includes('recovered'), 'the SR was never reported in sync in between')
  },
)

t.test('a peer that enters the configuration has a grace period', async t => {
  const a = hostOf({ expectationPace: { forgetAfterMs: 600_000, missAfterMs: 3_000 } })
  a.host.expect('drbd', named(configuredPeer('hostB')))
  a.observe(0, [volume('mesh/0')])
  t.equal(verdictOf(a), 'synced')
  a.host.expect('drbd', named(...BOTH))
  t.equal(verdictOf(a), 'synced')
  a.time.now = 2_999
  a.host.tick()
  t.equal(verdictOf(a), 'synced')
  a.time.now = 3_000
  a.host.tick()
  t.equal(verdictOf(a), 'degraded peer-missing@hostC', 'the grace period ends without any kernel event')
  a.observe(4_000, [volume('mesh/0', [peer('hostB'), peer('hostC')])])
  t.equal(verdictOf(a), 'synced')
  a.observe(5_000, [volume('mesh/0', [peer('hostB')])])
  t.equal(verdictOf(a), 'degraded peer-missing@hostC', 'a peer that was present has no grace period')
  a.host.expect('drbd', named(configuredPeer('hostB')))
  t.equal(verdictOf(a), 'synced', 'the peer was removed from the configuration and the kernel')
  a.host.expect('drbd', named(...BOTH))
  a.time.now = 0
  a.host.tick()
  t.equal(verdictOf(a), 'degraded peer-missing@hostC', 'a clock that was set back does not extend the grace period')
})

t.test('ignored peers do not count as missing', async t => {
  const a = hostOf({ srs: [drbdSr(['mesh*'], ['hostC'])] })
  a.host.expect('drbd', named(...BOTH))
  a.observe(0, [volume('mesh/0')])
  t.equal(verdictOf(a), 'synced')
  a.host.select([drbdSr(['mesh*'])])
  a.observe(1, [volume('mesh/0')])
  t.equal(verdictOf(a), 'degraded peer-missing@hostC')
})

t.test('a volume that leaves the configuration keeps its peers until the kernel has removed it', async t => {
  const a = hostOf()
  a.host.expect('drbd', named(...BOTH))
  a.observe(0, [volume('mesh/0')])
  a.host.expect('drbd', [])
  a.observe(1, [volume('mesh/0')])
  t.equal(verdictOf(a), 'degraded peer-missing@hostC', 'the LINSTOR satellite removes all its files when it starts')
  a.observe(2, [], null, ['mesh/0'])
  a.observe(3, [volume('mesh/0')])
  t.equal(verdictOf(a), 'synced', 'created again without a configuration')
  a.host.expect('drbd', named())
  a.observe(4, [volume('mesh/0', [])])
  t.match(a.host.report(SR), { state: 'synced', reasons: [{ code: 'single-copy', field: 'configuration' }] })
})

t.test('a volume without configuration and without peers is a single copy', async t => {
  const a = hostOf()
  a.observe(0, [volume('mesh/0', [])])
  const [reason, ...others] = a.host.report(SR)?.reasons ?? []
  t.strictSame([reason?.code, reason?.field, others], ['single-copy', undefined, []])
})

const FIXTURES = join(import.meta.dirname, '../fixtures/drbd9-peers')

t.test('the daemon judges a recorded volume without connections by a configuration that changes', async t => {
  const root = t.testdir({})
  const run = mkdtempSync(join(tmpdir(), 'resync-monitor-test-'))
  const files: Record<string, string> = {
    'proc/sys/kernel/random/boot_id': 'b0b0b0b0-0000-4000-8000-000000000001\n',
    'proc/sys/kernel/hostname': 'alpha\n',
    'proc/uptime': '1.00 1.00\n',
    'sys/module/drbd/version': '9.3.3\n',
    'etc/drbd.conf': readFileSync(join(FIXTURES, 'drbd.conf.txt'), 'utf8'),
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
  mkdirSync(join(root, 'sys/block'), { recursive: true })
  copyFileSync(join(FIXTURES, 'attached-without-peers.alpha.events2-now.txt'), join(run, 'events2'))
  const drbdsetup = join(run, 'drbdsetup')
  writeFileSync(drbdsetup, `#!/bin/sh\ncat '${run}/events2'\ncase "$*" in *--now*) exit 0;; esac\nexec sleep 1000\n`)
  chmodSync(drbdsetup, 0o755)
  const config = AgentConfigSchema.parse({
    host: '0a0a0a0a-0000-4000-8000-000000000001',
    srs: [{ uuid: SR, drbd: ['pair'] }],
    drbd: { drbdsetup: [drbdsetup] },
    md: { mdadm: [] },
    socket: join(run, 'agent.sock'),
    metrics: { enabled: false },
    stateDirectory: join(run, 'state'),
    root,
  })
  const service = await AgentService.start({ config, clock: machineClock, log: () => undefined, version: '0' })
  t.teardown(async () => {
    await service.close()
    rmSync(run, { recursive: true })
  })
  const verdict = () => {
    const { state = '', reasons = [] } = service.answers.report(SR) ?? {}
    return [state, ...reasons.map(({ code, peer: of, field }) => `${code} ${of ?? field}`)].join(', ')
  }
  await until('the peer is missing', () => verdict() === 'degraded, peer-missing bravo')
  const withoutPeer =
    'resource pair { device minor 20; disk /dev/disk3; meta-disk internal; on alpha { node-id 0; address 10.9.9.1:7790; } }'
  writeFileSync(join(root, 'etc/drbd.conf'), withoutPeer)
  await until('the configuration confirms the single copy', () => verdict() === 'synced, single-copy configuration')
  const unclear = withoutPeer.replace(
    /}$/,
    'on b { node-id 1; address 10.9.9.2:1; } on c { node-id 2; address 10.9.9.3:1; } }',
  )
  writeFileSync(join(root, 'etc/drbd.conf'), unclear)
  await until('the configuration is ambiguous', () => /^unknown, .*peers-unclear/.test(verdict()))
})
