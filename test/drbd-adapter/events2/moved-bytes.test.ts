import t from 'tap'
import { copyOutOfSync } from '../../../src/drbd-adapter/follow/statistics.ts'
import { parseProcDrbd } from '../../../src/drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../../src/drbd-adapter/status/parse-status-text.ts'
import { capture, fold } from '../captures.ts'

const KIB = 1024

t.test('the bytes that went over a connection are equal in every format', async t => {
  const at = 'peer-crash-and-resync.alpha.5-resync-progress'
  const moved = (volumes: ReturnType<typeof parseStatusText>['volumes']) =>
    volumes
      .find(({ mirror }) => mirror === 'mesh0/0')
      ?.peers.map(({ peer, movedBytes }) => [peer, movedBytes])
      .sort()
  const json = moved(parseStatusJson(capture('drbd9', `${at}.status.json`)).volumes)
  t.match(json, [
    ['bravo', Number],
    ['charlie', Number],
  ])
  t.strictSame(
    moved(parseStatusText(capture('drbd9', `${at}.status.txt`)).volumes)?.map(([peer]) => peer),
    json?.map(([peer]) => peer),
  )
  const charlie = (peers: ReturnType<typeof moved>) => peers?.find(([peer]) => peer === 'charlie')
  t.strictSame(charlie(moved(parseStatusText(capture('drbd9', `${at}.status.txt`)).volumes)), charlie(json))
  t.strictSame(charlie(moved(fold(capture('drbd9', `${at}.events2-now.txt`)).volumes())), charlie(json))
})

t.test('/proc/drbd of 8.4 counts both directions of its one peer, in KiB', async t => {
  const text = [
    'version: 8.4.11 (api:1/proto:86-101)',
    ' 0: cs:SyncSource ro:Primary/Secondary ds:UpToDate/Inconsistent C r-----',
    '    ns:40244 nr:12 dw:0 dr:40244 al:8 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:58020',
    '',
  ].join('\n')
  t.equal(parseProcDrbd(text).volumes[0]?.peers[0]?.movedBytes, 40_256 * KIB)
})

t.test('a counter that is no number is null, and the other one alone counts', async t => {
  const dump = (statistics: string) =>
    fold(
      [
        'exists resource name:a role:Primary',
        'exists connection name:a peer-node-id:1 conn-name:b connection:Connected',
        'exists device name:a volume:0 minor:1 disk:UpToDate',
        `exists peer-device name:a peer-node-id:1 conn-name:b volume:0 replication:SyncSource ${statistics}`,
        'exists -',
        '',
      ].join('\n'),
    ).volume('a/0')?.peers[0]?.movedBytes
  t.equal(dump('received:18446744073709551608 sent:4'), 4 * KIB)
  t.equal(dump('received:3'), 3 * KIB)
  t.equal(dump('received:nan sent:-1'), null)
  t.equal(dump(''), null)
})

t.test('a later dump updates the counters of moving volumes only', async t => {
  const device = (replication: string, sent: number) => {
    const found = fold(
      [
        'exists resource name:a role:Primary',
        'exists connection name:a peer-node-id:1 conn-name:b connection:Connected',
        'exists device name:a volume:0 minor:1 disk:UpToDate',
        `exists peer-device name:a peer-node-id:1 conn-name:b volume:0 replication:${replication} received:0 sent:${sent} out-of-sync:8`,
        'exists -',
        '',
      ].join('\n'),
    ).device('a/0')
    if (found === undefined) throw new Error('the dump has no a/0')
    return found
  }
  for (const [replication, isUpdated] of [
    ['SyncSource', true],
    ['PausedSyncS', true],
    ['Ahead', true],
    ['Established', false],
  ] as const) {
    const live = device(replication, 1)
    t.equal(copyOutOfSync(live, device(replication, 2)), isUpdated, replication)
    t.equal(live.peerDevices[0]?.sentBytes, (isUpdated ? 2 : 1) * KIB, replication)
  }
})
