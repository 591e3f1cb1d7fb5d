import { createReadStream, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { Readable } from 'node:stream'
import t from 'tap'
import { type InspectedTransition, playEventStream } from '../../../src/cli/inspect/event-stream.ts'

const FIXTURES = resolve(import.meta.dirname, '../../fixtures')

async function transitionsOf(input: Readable) {
  const transitions: InspectedTransition[] = []
  const findings = await playEventStream(input, transition => transitions.push(transition))
  const kinds: Record<string, string> = {}
  for (const { mirror, transition } of transitions) {
    kinds[mirror] = kinds[mirror] === undefined ? transition : `${kinds[mirror]} ${transition}`
  }
  return { transitions, kinds, findings }
}

const RESYNC = 'degraded resync-started resync-finished'
const all = (mirrors: string, kinds: string) => Object.fromEntries(mirrors.split(' ').map(mirror => [mirror, kinds]))

t.test('a peer that returns without what it was owed has not recovered (LINBIT/drbd#145)', async t => {
  const path = join(FIXTURES, 'drbd9/marks-vanish-at-rejoin.hostA.events2.txt')
  const { transitions, findings } = await transitionsOf(createReadStream(path))
  t.match(transitions.at(-1), {
    at: '2026-09-06T22:02:05.200Z',
    transition: 'degraded',
    reasons: [{ code: 'rejoined-unrepaired', peer: 'hostB', outOfSyncBytes: 65_536, clearedBy: 'operator' }],
  })
  t.match(findings.devices, [{ state: 'degraded', reasons: [{ code: 'rejoined-unrepaired' }] }])
})

t.test('no current replica is the only reason, on both replicas and a client (piraeus-operator#953)', async t => {
  for (const host of ['hostA', 'hostB', 'hostC']) {
    const { findings } = await transitionsOf(
      createReadStream(join(FIXTURES, `drbd9/both-outdated.${host}.events2.txt`)),
    )
    t.match(findings.devices, [{ state: 'degraded', reasons: [{ code: 'no-current-replica', missing: 2 }] }], host)
    t.equal(findings.devices[0]?.reasons.length, 1, 'no other reason contradicts the remedy')
  }
})

t.test('a resync whose lines have one timestamp has started and finished', async t => {
  const stamped = (lines: readonly string[]) => lines.map(line => `2026-12-01T04:25:31.000000+00:00 ${line}\n`).join('')
  const change = 'change peer-device name:pair peer-node-id:1 conn-name:bravo volume:0'
  const dump = [
    'exists resource name:pair role:Primary',
    'exists connection name:pair peer-node-id:1 conn-name:bravo connection:Connected role:Secondary',
    'exists device name:pair volume:0 minor:20 disk:UpToDate client:no quorum:yes',
    'exists peer-device name:pair peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no out-of-sync:0',
    'exists -',
  ]
  const resync = [
    `${change} replication:WFBitMapS`,
    `${change} replication:SyncSource peer-disk:Inconsistent done:0.00 out-of-sync:12`,
    `${change} replication:Established peer-disk:UpToDate out-of-sync:0`,
  ]
  const later = stamped(resync).replaceAll('04:25:31', '04:25:40')
  const { kinds, findings } = await transitionsOf(Readable.from([stamped(dump), later]))
  t.strictSame(kinds, { 'pair/0': 'resync-started resync-finished' })
  t.match(findings.devices, [{ state: 'synced', reasons: [] }])
})

/** What the driver of each recording did (its TIMELINE), and the transitions that must follow. */
const SCENARIOS: readonly (readonly [stream: string, did: string, expected: Record<string, string>])[] = [
  ['drbd84/loaded-no-resource.alpha', 'loaded the module', {}],
  [
    'drbd84/up-peer-absent.alpha',
    'brought the resources up without their peer',
    all('r0/0 r1/0 r1/1 r2/0', 'degraded'),
  ],
  ['drbd84/initial-full-sync.alpha', 'brought up both sides, forced one primary', all('r0/0 r1/0 r1/1 r2/0', RESYNC)],
  ['drbd84/initial-full-sync.bravo', 'the same, seen by the target', all('r0/0 r1/0 r1/1 r2/0', RESYNC)],
  [
    'drbd84/peer-crash-and-resync.alpha',
    'cut the power of bravo and started it again',
    all('r0/0 r1/0 r1/1 r2/0', RESYNC),
  ],
  [
    'drbd84/peer-crash-and-resync.bravo',
    'the same, seen by the one that was started',
    all('r0/0 r1/0 r1/1 r2/0', RESYNC),
  ],
  [
    'drbd84/network-cut-and-resync.alpha',
    'cut the link and restored it; the recording ends before the last resync does',
    { 'r0/0': 'degraded', ...all('r1/0 r1/1', 'degraded resync-started'), 'r2/0': RESYNC },
  ],
  [
    'drbd84/invalidate-pause-resume.alpha',
    'invalidated r0, paused and resumed it, with r2 waiting for it',
    { 'r0/0': 'resync-started paused resync-finished', 'r2/0': 'resync-started resync-finished' },
  ],
  [
    'drbd84/connection-lost-in-resync.alpha',
    'invalidated r0, and cut the link in the middle',
    { 'r0/0': `resync-started ${RESYNC}`, ...all('r1/0 r1/1', RESYNC) },
  ],
  ['drbd84/online-verify.alpha', 'verified, and reconnected r2 to resync the differences', { 'r2/0': RESYNC }],
  ['drbd84/disconnect-connect.bravo', 'disconnected r0, wrote, connected', { 'r0/0': RESYNC }],
  ['drbd84/detach-attach.alpha', 'detached and attached r0 on each side in turn', { 'r0/0': `${RESYNC} ${RESYNC}` }],
  ['drbd84/demote-promote.alpha', 'changed roles', {}],
  [
    'drbd84/split-brain.alpha',
    'caused a split brain of all volumes, and resolved it',
    all('r0/0 r1/0 r1/1 r2/0', RESYNC),
  ],
  [
    'drbd84/skip-initial-sync.bravo',
    'declared r0 and r2 in sync without copying; a change overtook the dump of r1',
    { ...all('r0/0 r2/0', 'degraded recovered'), ...all('r1/0 r1/1', 'unknown degraded') },
  ],
  ['drbd84/down-while-events2.alpha', 'took everything down', all('r0/0 r1/0 r1/1 r2/0', 'degraded')],
  [
    'drbd9/initial-full-sync.alpha',
    'brought up three hosts, forced one primary',
    {
      // charlie, a client, connects only after the resync to bravo has ended.
      'client/0': 'degraded resync-started degraded resync-finished',
      ...all('mesh0/0 mesh1/0 mesh1/1 pair/0', RESYNC),
    },
  ],
  [
    'drbd9/peer-crash-and-resync.charlie',
    'cut the power of charlie and started it again',
    { 'client/0': 'degraded recovered', ...all('mesh0/0 mesh1/0 mesh1/1', RESYNC) },
  ],
  [
    'drbd9/peer-crash-and-resync.bravo',
    'the same, seen by a source: the target continues with the other source and ends in sync',
    {
      'client/0': 'degraded recovered',
      ...all('mesh0/0 mesh1/0', 'degraded resync-started degraded resync-finished'),
      'mesh1/1': RESYNC,
    },
  ],
  [
    'drbd9/invalidate-pause-resume.bravo',
    'paused mesh0 on both sides, and resumed one side; pair waits for mesh0',
    {
      'mesh0/0': 'degraded resync-started paused degraded',
      'pair/0': 'resync-started resync-finished degraded recovered',
    },
  ],
  ['drbd9/online-verify.alpha', 'verified pair; a reconnect hid the differences', { 'pair/0': 'degraded recovered' }],
  ['drbd9/disconnect-connect.alpha', 'disconnected mesh0 from bravo, wrote, connected', { 'mesh0/0': RESYNC }],
  ['drbd9/demote-promote.charlie', 'changed roles', {}],
  [
    'drbd9/up-peer-absent.alpha',
    'brought the resources up without their peers',
    all('client/0 mesh0/0 mesh1/0 mesh1/1 pair/0', 'degraded'),
  ],
]

for (const [stream, did, expected] of SCENARIOS) {
  t.test(`${stream}: ${did}`, async t => {
    const { kinds } = await transitionsOf(createReadStream(join(FIXTURES, `${stream}.events2.txt`)))
    t.same(kinds, expected)
  })
}

t.test('each resync that finished had started, and none finishes twice', async t => {
  for (const [stream] of SCENARIOS) {
    const { transitions } = await transitionsOf(createReadStream(join(FIXTURES, `${stream}.events2.txt`)))
    const open = new Set<string>()
    for (const { mirror, transition } of transitions) {
      if (transition === 'resync-started') open.add(mirror)
      if (transition === 'resync-finished' && !open.delete(mirror)) t.fail(`${stream}: ${mirror} finished unstarted`)
    }
  }
})

t.test('differences that a verify found and a reconnect hid are reported at the end (9.2.18)', async t => {
  const { findings } = await transitionsOf(createReadStream(join(FIXTURES, 'drbd9/online-verify.alpha.events2.txt')))
  t.match(
    findings.devices.find(({ mirror }) => mirror === 'pair/0'),
    { state: 'synced', reasons: [{ code: 'verify-unrepaired', outOfSyncBytes: 12_288 }] },
  )
})

t.test('without timestamps each line is judged for itself, and transitions have no time', async t => {
  const text = `exists resource name:r0 role:Primary suspended:no may_promote:no
exists connection name:r0 peer-node-id:1 conn-name:bravo connection:Connected role:Secondary
exists device name:r0 volume:0 minor:0 disk:UpToDate client:no quorum:yes
exists peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no
exists -
change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:SyncSource peer-disk:Inconsistent done:0.00
change peer-device name:r0 peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate
destroy resource name:r0
`
  const { transitions, findings } = await transitionsOf(Readable.from([text]))
  t.match(transitions, [
    { at: null, mirror: 'r0/0', transition: 'resync-started', from: 'synced', to: 'resyncing' },
    { at: null, mirror: 'r0/0', transition: 'resync-finished', from: 'resyncing', to: 'synced' },
  ])
  t.same(findings, { devices: [], problems: [], understood: true, isLost: false })
})

const SKIPPED = join(FIXTURES, 'drbd9-2026-12/events2-skipped-lines.events2.txt')

t.test('skipped lines whose sum is 0 are problems, and make no mirror unknown', async t => {
  const { findings } = await transitionsOf(createReadStream(SKIPPED))
  t.same(
    findings.problems.map(({ code, text }) => `${code} ${text}`),
    ['line 454|1', 'line 457|-3', 'line 459|2'].map(each => {
      const [line, n] = each.split('|')
      return `events-skipped ${line}: Events came out of order or were lost: - skipped ${n}`
    }),
  )
  t.same(
    findings.devices.map(({ mirror, state }) => `${mirror} ${state}`),
    ['mesh0/0 degraded', 'mesh1/0 degraded', 'mesh1/1 degraded', 'pair/0 synced', 'tb/0 degraded'],
  )
  t.equal(findings.understood, true)
})

t.test('skipped lines that never arrive make the mirrors unknown at the end, and others may be missing', async t => {
  const stream = readFileSync(SKIPPED, 'utf8').replace('- skipped 2', '- skipped 3')
  const { findings, transitions } = await transitionsOf(Readable.from([stream]))
  t.same([...new Set(findings.devices.map(({ state }) => state))], ['unknown'])
  t.equal(findings.understood, false)
  t.match(transitions.at(-1), { transition: 'unknown' })
})

t.test('each problem names its line, and the problems after the first hundred are counted', async t => {
  const { findings } = await transitionsOf(Readable.from(['exists -\n\nnonsense\n', 'more of it\n'.repeat(300), 'cut']))
  t.match(findings.problems[0], { code: 'bad-line', text: 'line 3: Cannot be applied: nonsense' })
  t.match(findings.problems.slice(100), [
    { code: 'bad-line', text: '201 more are left out' },
    { code: 'line-cut', text: '1 more are left out' },
  ])
  t.equal(findings.understood, false)
})

t.test('two volumes with one minor are both unknown', async t => {
  const volume = (name: string) => `exists resource name:${name} role:Primary may_promote:no
exists connection name:${name} peer-node-id:1 conn-name:bravo connection:Connected role:Secondary
exists device name:${name} volume:0 minor:7 disk:UpToDate client:no quorum:yes
exists peer-device name:${name} peer-node-id:1 conn-name:bravo volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no
`
  const stream = `${volume('r0')}${volume('r1')}${volume('r2').replace('minor:7', 'minor:8')}exists -\n`
  const { findings } = await transitionsOf(Readable.from([stream]))
  t.same(
    findings.devices.map(({ mirror, state }) => `${mirror} ${state}`),
    ['r0/0 unknown', 'r1/0 unknown', 'r2/0 synced'],
  )
  t.match(findings.problems, [{ device: 'r1/0', code: 'contradiction' }])
})
