import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { HostAgent, type HostAgentOptions } from '../../src/agent/agent.ts'
import { readHostBoot } from '../../src/agent/host-boot.ts'
import { ReportPusher } from '../../src/agent/report-pusher.ts'
import { SrSelector } from '../../src/agent/sr-selection.ts'
import type { DrbdPeer, DrbdVolume } from '../../src/sync-query/drbd.ts'
import type { Report } from '../../src/sync-query/report.ts'
import { parseReport } from '../../src/sync-query/report-parse.ts'

const HOST = '0a0a0a0a-0000-4000-8000-000000000001'
const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const BOOT = { id: 'b0b0b0b0-0000-4000-8000-000000000001', firstSeq: 1000 }
const KIB = 1024

function peer(name: string, said: Partial<DrbdPeer> = {}): DrbdPeer {
  return {
    peer: name,
    connection: 'Connected',
    replication: 'Established',
    peerDisk: 'UpToDate',
    intentionalClient: false,
    resyncSuspended: [],
    outOfSyncBytes: 0,
    progress: null,
    totalBytes: null,
    etaSeconds: null,
    ...said,
  }
}

function volume(mirror: string, peers: readonly DrbdPeer[] = [peer('hostB')]): DrbdVolume {
  return {
    mirror,
    family: '9',
    disk: 'UpToDate',
    intentionalClient: false,
    quorum: true,
    sizeBytes: 1024 * KIB,
    peers,
    doubts: [],
    splitBrainPeers: [],
    peerRemoved: false,
    configured: true,
  }
}

const resyncing = (mirror: string, outOfSyncBytes: number) =>
  volume(mirror, [peer('hostB', { replication: 'SyncSource', peerDisk: 'Inconsistent', outOfSyncBytes })])

/** An agent whose reports arrive at once; `kinds` are the edges it told of. */
function agentOf(options: Partial<HostAgentOptions> = {}) {
  const kinds: string[] = []
  const pushed: Report[] = []
  const clock = { now: 0 }
  const agent = new HostAgent({
    host: HOST,
    boot: BOOT,
    srs: [{ uuid: SR, drbd: ['mesh*'], ignorePeers: [] }],
    configured: [],
    now: () => clock.now,
    sink: {
      push: async report => {
        pushed.push(report)
      },
    },
    witness: (_sr, { kind }) => kinds.push(kind),
    ...options,
  })
  const see = (
    at: number,
    changed: readonly DrbdVolume[],
    doubt: string | null = null,
    removed: readonly string[] = [],
  ) => {
    clock.now = at
    agent.apply({ at, changed, removed, doubt })
  }
  const state = () => agent.report(SR)?.state
  return { agent, kinds, pushed, clock, see, state }
}

t.test('an SR is unknown until its source has told of every volume', async t => {
  const { agent, kinds, see, state } = agentOf()
  t.equal(state(), 'unknown')
  see(1, [volume('mesh0/0')], 'not everything has been read yet')
  t.equal(state(), 'unknown')
  t.match(agent.report(SR)?.reasons, [{ code: 'source-silent', word: 'not everything has been read yet' }])
  see(2, [volume('mesh1/0')])
  t.equal(state(), 'synced')
  see(3, [], 'drbdsetup events2 exited 20')
  t.equal(state(), 'unknown', 'however polite the end of the stream was')
  t.strictSame(kinds, ['recovered', 'unknown'])
  await agent.close()
})

t.test('a resync: its reports are whole and readable, and rise in number', async t => {
  const { agent, kinds, see } = agentOf()
  see(1000, [volume('mesh0/0'), volume('mesh1/0')])
  see(2000, [resyncing('mesh0/0', 100 * KIB)])
  see(3000, [resyncing('mesh0/0', 40 * KIB)])
  const report = agent.report(SR)
  t.match(report, {
    schema: 1,
    host: HOST,
    sr: SR,
    bootId: BOOT.id,
    state: 'resyncing',
    since: '1970-01-01T00:00:02.000Z',
    at: '1970-01-01T00:00:03.000Z',
    mirrors: { synced: 1, resyncing: 1, degraded: 0, unknown: 0 },
    outOfSyncBytes: 40 * KIB,
    progress: 0.6,
    reasons: [{ code: 'resync-running', mirror: 'mesh0/0', peer: 'hostB', side: 'source' }],
  })
  t.match(parseReport(JSON.stringify(report)), { report: { state: 'resyncing' } }, 'the gate can read it')
  const later = agent.report(SR)
  t.ok(Number(later?.seq) > Number(report?.seq) && Number(report?.seq) > BOOT.firstSeq)
  see(4000, [volume('mesh0/0')])
  t.strictSame(kinds, ['recovered', 'resync-started', 'resync-finished'])
  t.equal(agent.report('no-such-sr'), null)
  await agent.close()
})

t.test(
  'what is configured and not up is degraded, never nothing to sync: after a boot, and after drbdadm down',
  async t => {
    const { agent, see, state } = agentOf({ configured: ['mesh0/0', 'other/0'] })
    see(1, [])
    t.equal(state(), 'degraded')
    t.match(agent.report(SR)?.reasons, [{ code: 'not-up', mirror: 'mesh0/0' }])
    see(2, [volume('mesh0/0')])
    t.equal(state(), 'synced')
    see(3, [], null, ['mesh0/0'])
    t.equal(state(), 'degraded')
    see(4, [], null, ['never-seen/0'])
    t.equal(agent.report(SR)?.mirrors.degraded, 1)
    await agent.close()
  },
)

t.test('what is told together is judged together: no instant of a drbdadm down reads as in sync', async t => {
  const { agent, kinds, pushed, see } = agentOf({ configured: ['mesh0/0', 'mesh1/0'] })
  const gone = (mirror: string) => ({ ...volume(mirror, []), disk: 'Diskless' })
  see(1, [volume('mesh0/0'), volume('mesh1/0')])
  see(2, [gone('mesh0/0'), gone('mesh1/0')])
  kinds.length = 0
  pushed.length = 0
  see(3, [], null, ['mesh0/0', 'mesh1/0'])
  t.strictSame(kinds, [], 'degraded before and after')
  t.strictSame(
    pushed.filter(({ state }) => state === 'synced'),
    [],
  )
  t.match(agent.report(SR)?.reasons, [{ code: 'not-up' }, { code: 'not-up' }])
  await agent.close()
})

t.test('several mirrors that are paused at once are one pause of the SR', async t => {
  const { agent, kinds, see } = agentOf()
  const paused = (mirror: string) =>
    volume(mirror, [peer('hostB', { replication: 'PausedSyncS', peerDisk: 'Inconsistent', resyncSuspended: ['user'] })])
  see(1, [paused('mesh0/0'), paused('mesh1/0')])
  t.strictSame(kinds, ['resync-started', 'paused'])
  await agent.close()
})

t.test('only the mirrors of an SR count for it, and a peer outside its redundancy does not', async t => {
  const { agent, see, state } = agentOf({ srs: [{ uuid: SR, drbd: ['mesh*'], ignorePeers: ['recovery-site'] }] })
  see(1, [volume('scratch/0', [peer('hostB', { connection: 'StandAlone', replication: 'Off' })])])
  t.equal(state(), 'synced')
  see(2, [volume('mesh0/0', [peer('hostB'), peer('recovery-site', { connection: 'Connecting', replication: 'Off' })])])
  t.equal(state(), 'synced')
  see(3, [volume('mesh0/0', [peer('hostB', { connection: 'Connecting', replication: 'Off' })])])
  t.equal(state(), 'degraded')
  await agent.close()
})

t.test('a stall is told as time passes', async t => {
  const { agent, kinds, see, clock } = agentOf()
  see(0, [resyncing('mesh0/0', 100 * KIB)])
  clock.now = 5 * 60_000
  agent.tick()
  t.strictSame(kinds, ['resync-started', 'stalled'])
  t.match(agent.report(SR)?.reasons, [{ code: 'resync-stalled' }])
  await agent.close()
})

t.test('follow: everything that a source tells', async t => {
  const { agent, state } = agentOf()
  async function* source() {
    yield { at: 1, changed: [volume('mesh0/0')], removed: [], doubt: null }
  }
  await agent.follow(source())
  t.equal(state(), 'synced')
  await agent.close()
})

t.test('which mirrors are of which SR: wildcards, several SRs, nothing taken for a pattern by accident', async t => {
  const selector = new SrSelector([
    { uuid: 'a', drbd: ['xcp-volume-*', 'xcp-persistent-database'], ignorePeers: [] },
    { uuid: 'sentinel', drbd: ['xcp-*', 'xcp-volume-*'], ignorePeers: [] },
    { uuid: 'dot', drbd: ['r.0'], ignorePeers: [] },
  ])
  const table: [string, string[]][] = [
    ['xcp-volume-1/0', ['a', 'sentinel']],
    ['xcp-persistent-database/0', ['a', 'sentinel']],
    ['xcp-persistent-database-2/0', ['sentinel']],
    ['rx0/0', []],
    ['r.0/1', ['dot']],
    ['', []],
  ]
  for (const [mirror, srs] of table) t.strictSame(selector.srsOf(mirror), srs, `${mirror}: ${srs.join(', ') || 'none'}`)
})

t.test('the boot: its id, and numbers that rise over restarts of the daemon', async t => {
  const root = t.testdir({})
  await t.rejects(readHostBoot(root), { code: 'ENOENT' })
  mkdirSync(join(root, 'proc/sys/kernel/random'), { recursive: true })
  const write = (bootId: string, uptime: string) => {
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), bootId)
    writeFileSync(join(root, 'proc/uptime'), uptime)
  }
  write(`${BOOT.id}\n`, '350735.47 234388.90\n')
  t.strictSame(await readHostBoot(root), { id: BOOT.id, firstSeq: 350_735_470 })
  write('no boot id', '1.0 1.0\n')
  await t.rejects(readHostBoot(root), /boot id/)
  write(BOOT.id, 'long\n')
  await t.rejects(readHostBoot(root), /seconds/)
})

t.test('the pusher: transitions at once, news at its pace, retries until it arrived, and only the newest', async t => {
  const pace = { progressEveryMs: 20, firstRetryMs: 1, lastRetryMs: 2 }
  const arrived: number[] = []
  let value = 0
  let refusals = 2
  const made: () => Report = () => ({ ...(agentReport as Report), seq: value })
  const helper = agentOf()
  const agentReport = helper.agent.report(SR)
  const pusher = new ReportPusher(
    made,
    {
      push: async report => {
        if (refusals-- > 0) throw new Error('the toolstack is away')
        arrived.push(report.seq)
      },
    },
    pace,
  )
  const settled = async (isSo: () => boolean) => {
    const deadline = Date.now() + 5000
    while (!isSo() && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 1))
  }
  value = 1
  pusher.want('transition')
  await settled(() => pusher.failures === 1)
  value = 2
  await settled(() => arrived.length === 1)
  t.strictSame(arrived, [2], 'what arrives after an outage is the truth of then, once')
  t.equal(pusher.failures, 0)
  value = 3
  pusher.want('news')
  pusher.want('news')
  value = 4
  await settled(() => arrived.length === 2)
  t.strictSame(arrived, [2, 4])
  value = 5
  pusher.want('transition')
  await settled(() => arrived.length === 3)
  t.strictSame(arrived, [2, 4, 5])
  await pusher.close()
  pusher.want('transition')
  t.equal(arrived.length, 3, 'nothing after it was closed')
  await helper.agent.close()
})
