import t from 'tap'
import { HostMirrors } from '../../../src/sync-query/history/host-mirrors.ts'
import type { DrbdVolume } from '../../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import { mirrorList } from '../../../src/sync-query/report/mirror-list.ts'
import { encodePollAnswer } from '../../../src/sync-query/report/report-encode.ts'
import { parseReport } from '../../../src/sync-query/report/report-parse.ts'
import { SrFold } from '../../../src/sync-query/sr-state/sr-fold.ts'
import { peer, volume } from '../drbd-volume.ts'
import { judgementWith } from '../judgement-with.ts'
import { statusOf } from '../sr-state/status-of.ts'

function host(volumes: readonly DrbdVolume[]) {
  const mirrors = new HostMirrors()
  const observe = (judgement: ReturnType<typeof judgementWith>) =>
    mirrors.observe({ judgement, at: 0, silenceMeansStall: true })
  for (const each of volumes) observe(judgeDrbdVolume(each))
  const all = () => [...mirrors.names()].flatMap(name => mirrors.get(name) ?? [])
  return { mirrors, observe, all }
}

const TIEBREAKER = peer('c', { peerDisk: 'Diskless', intentionalClient: true })
const TARGET = peer('b', { replication: 'SyncSource', peerDisk: 'Inconsistent' })

t.test(
  'mirrors are grouped by state and by the places of their replicas; only mirrors that are not in sync are named',
  async t => {
    const { all, observe } = host([
      volume('v1/0', [peer('b'), TIEBREAKER]),
      volume('v2/0', [peer('b'), TIEBREAKER]),
      volume('v3/0', [TARGET, TIEBREAKER]),
      volume('v4/0', [peer('b'), peer('c')]),
      volume('v5/0', [peer('b')], { family: '8.4' }),
      volume('v6/0', [peer('b')], { doubts: [{ code: 'events-lost' }] }),
    ])
    observe(judgementWith('md0', ['array-degraded']))
    const self = { peer: 'self', current: true }
    const b = { peer: 'b', current: true, connected: true }
    const c = { peer: 'c', current: false, connected: true, diskless: true }
    t.strictSame(mirrorList(all()), [
      { state: 'synced', count: 2, quorum: true, replicas: [self, b, c] },
      { state: 'resyncing', count: 1, mirrors: ['v3/0'], quorum: true, replicas: [self, { ...b, current: false }, c] },
      { state: 'synced', count: 1, quorum: true, replicas: [self, b, { ...b, peer: 'c' }] },
      { state: 'synced', count: 1, quorum: false, replicas: [self, b] },
      { state: 'unknown', count: 1, mirrors: ['v6/0'], quorum: true, replicas: [self, b] },
      { state: 'degraded', count: 1, mirrors: ['md0'], quorum: true, replicas: [{ peer: '?', current: false }] },
    ])
    t.strictSame(mirrorList([]), [])
  },
)

t.test('the list follows the changes of a mirror', async t => {
  const { all, observe } = host([volume('v1/0', [peer('b')])])
  const before = mirrorList(all())
  observe(judgeDrbdVolume(volume('v1/0', [TARGET])))
  t.match(mirrorList(all()), [{ state: 'resyncing', replicas: [{ current: true }, { peer: 'b', current: false }] }])
  observe(judgeDrbdVolume(volume('v1/0', [peer('b')])))
  t.strictSame(mirrorList(all()), before)
})

t.test(
  '5 000 resyncing mirrors fit into the answer to a poll, with their true count and some of their names',
  async t => {
    const size = 5_000
    const hosts = Array.from({ length: 40 }, (_, index) => `xcp-node-${index}`)
    const volumes = Array.from({ length: size }, (_, index) =>
      volume(`xcp-volume-${String(index).padStart(36, '0')}/0`, [
        { ...TARGET, peer: hosts[index % 40] ?? '' },
        TIEBREAKER,
      ]),
    )
    const { mirrors, all } = host(volumes)
    const fold = new SrFold(0)
    fold.apply(
      [...mirrors.names()].flatMap(name => mirrors.joining(name) ?? []),
      0,
      null,
    )
    const { since, reasons, ...status } = statusOf(fold, mirrors, 0)
    const list = mirrorList(all())
    t.equal(list.length, 40)
    t.equal(
      list.reduce((sum, { count }) => sum + count, 0),
      size,
    )
    t.equal(reasons.length, size)
    const at = '2026-11-22T16:19:05.161Z'
    const report = {
      schema: 1,
      host: 'h',
      sr: 's',
      bootId: 'b',
      seq: 1,
      at,
      since: at,
      reasons: [],
      ...status,
    } as const
    const parsed = parseReport(encodePollAnswer({ ...report, mirrorList: list }))
    t.match(parsed, { report: { state: 'resyncing', mirrors: { resyncing: size }, mirrorList: list } })
    t.equal(since, 0)
    t.equal(list.flatMap(({ mirrors = [] }) => mirrors).length, 256)
  },
)
