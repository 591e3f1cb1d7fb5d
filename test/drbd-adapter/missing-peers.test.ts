import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { parseDrbdConfig } from '../../src/drbd-adapter/config/parse-config.ts'
import { parseProcDrbd } from '../../src/drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../src/drbd-adapter/status/parse-status-text.ts'
import type { DrbdVolume } from '../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../src/sync-query/judge/judge-drbd.ts'
import { fold } from './captures.ts'

const FOLDER = join(import.meta.dirname, '../fixtures/drbd9-peers')
const textOf = (name: string) => readFileSync(join(FOLDER, name), 'utf8')
const CONFIG = textOf('drbd.conf.txt')

/** `state peer-missing@PEER …` of each volume, without other reasons. */
function missingOf(volumes: readonly DrbdVolume[], host: string): Record<string, string> {
  const configured = parseDrbdConfig(CONFIG, 'drbd.conf', { name: host, addresses: new Set() }).volumes
  return Object.fromEntries(
    volumes.map(volume => {
      const { peers = null } = configured.find(({ mirror }) => mirror === volume.mirror) ?? {}
      const { state, reasons } = judgeDrbdVolume(volume, peers)
      const missing = reasons.filter(({ code }) => code === 'peer-missing' || code === 'single-copy')
      return [volume.mirror, [state, ...missing.map(({ code, peer }) => (peer ? `${code}@${peer}` : code))].join(' ')]
    }),
  )
}

const MISSING: Readonly<Record<string, Readonly<Record<string, string>>>> = {
  'pair-without-peers.alpha': { 'pair/0': 'degraded peer-missing@bravo' },
  'pair-without-peers.bravo': { 'pair/0': 'degraded peer-missing@alpha' },
  'last-peer-removed-both-sides.alpha': { 'pair/0': 'degraded peer-missing@bravo' },
  'last-peer-removed-both-sides.bravo': { 'pair/0': 'degraded peer-missing@alpha' },
  'peer-removed-after-link-failure.alpha': {
    'mesh1/0': 'degraded peer-missing@charlie',
    'mesh1/1': 'degraded peer-missing@charlie',
    'pair/0': 'degraded peer-missing@bravo',
  },
  'peer-removed-after-link-failure.bravo': {
    'mesh1/0': 'degraded',
    'mesh1/1': 'degraded',
    'pair/0': 'degraded peer-missing@alpha',
  },
  'peer-removed-after-link-failure.charlie': {
    'mesh1/0': 'degraded peer-missing@alpha',
    'mesh1/1': 'degraded peer-missing@alpha',
  },
  'mesh-link-removed.alpha': {
    'mesh1/0': 'degraded peer-missing@charlie',
    'mesh1/1': 'degraded peer-missing@charlie',
  },
  'mesh-link-removed.bravo': { 'mesh1/0': 'degraded', 'mesh1/1': 'degraded' },
  'mesh-link-removed.charlie': {
    'mesh1/0': 'degraded peer-missing@alpha',
    'mesh1/1': 'degraded peer-missing@alpha',
  },
  'adjust-left-no-peer.alpha': {
    'mesh0/0': 'degraded peer-missing@charlie',
    'mesh1/0': 'degraded peer-missing@charlie',
    'mesh1/1': 'degraded peer-missing@charlie',
    'pair/0': 'degraded peer-missing@bravo',
    'tb/0': 'degraded peer-missing@charlie',
  },
  'adjust-left-no-peer.bravo': {
    'mesh0/0': 'degraded peer-missing@charlie',
    'mesh1/0': 'degraded peer-missing@charlie',
    'mesh1/1': 'degraded peer-missing@charlie',
    'pair/0': 'degraded peer-missing@alpha',
    'tb/0': 'degraded peer-missing@charlie',
  },
  'attached-without-peers.alpha': {
    'mesh0/0': 'degraded peer-missing@bravo peer-missing@charlie',
    'mesh1/0': 'degraded peer-missing@bravo peer-missing@charlie',
    'mesh1/1': 'degraded peer-missing@bravo peer-missing@charlie',
    'pair/0': 'degraded peer-missing@bravo',
    'tb/0': 'degraded peer-missing@bravo peer-missing@charlie',
  },
}

t.test('a recorded kernel that lacks a configured peer is degraded and names the peer, in every format', async t => {
  const stages = new Set(readdirSync(FOLDER).flatMap(name => /^(.+\.(?:alpha|bravo|charlie))\./.exec(name)?.[1] ?? []))
  t.strictSame([...stages].toSorted(), Object.keys(MISSING).toSorted(), 'each recording has its expectation')
  for (const [stage, expected] of Object.entries(MISSING)) {
    const [, host = ''] = /\.(\w+)$/.exec(stage) ?? []
    const forms: [form: string, volumes: () => readonly DrbdVolume[]][] = [
      ['events2-now.txt', () => fold(textOf(`${stage}.events2-now.txt`)).volumes()],
      ['status.json', () => parseStatusJson(textOf(`${stage}.status.json`)).volumes],
      ['status.txt', () => parseStatusText(textOf(`${stage}.status.txt`)).volumes],
    ]
    for (const [form, volumes] of forms) {
      if (!readdirSync(FOLDER).includes(`${stage}.${form}`)) continue
      const unsynced = Object.entries(missingOf(volumes(), host)).filter(([, verdict]) => verdict !== 'synced')
      t.strictSame(Object.fromEntries(unsynced.toSorted()), expected, `${stage}.${form}`)
    }
  }
})

const CLIENTS = ['hostB', 'hostC']

t.test('one replica with data and any number of diskless clients is a single copy, in every format', async t => {
  const json = JSON.stringify([
    {
      name: 'vol',
      devices: [{ volume: 0, minor: 1000, 'disk-state': 'UpToDate', client: false, quorum: true }],
      connections: CLIENTS.map((name, index) => ({
        'peer-node-id': index + 1,
        name,
        'connection-state': 'Connected',
        peer_devices: [
          {
            volume: 0,
            'replication-state': 'Established',
            'peer-disk-state': 'Diskless',
            'peer-client': true,
            'resync-suspended': 'no',
            'out-of-sync': 0,
          },
        ],
      })),
    },
  ])
  const clientsInText = CLIENTS.map(
    (name, index) =>
      `  ${name} node-id:${index + 1} connection:Connected role:Secondary congested:no\n    volume:0 replication:Established peer-disk:Diskless peer-client:yes\n        resync-suspended:no\n`,
  )
  const verbose = `vol node-id:0 role:Primary suspended:no\n  volume:0 minor:1000 disk:UpToDate quorum:yes\n${clientsInText.join('')}\n`
  const short = `vol role:Primary\n  disk:UpToDate\n${CLIENTS.map(name => `  ${name} role:Secondary\n    peer-disk:Diskless peer-client:yes\n`).join('')}\n`
  const forms: [form: string, volumes: readonly DrbdVolume[]][] = [
    ['events2', fold(textOf('events2-one-diskful-two-clients.txt')).volumes()],
    ['JSON', parseStatusJson(json).volumes],
    ['verbose text', parseStatusText(verbose).volumes],
    ['text', parseStatusText(short).volumes],
  ]
  for (const [form, [volume, ...others]] of forms) {
    if (volume === undefined || others.length > 0) throw new Error(`${form}: not one volume`)
    const { state, reasons, replicas } = judgeDrbdVolume(volume)
    t.match(
      { state, reasons, replicas },
      {
        state: 'synced',
        reasons: [{ code: 'single-copy', clearedBy: 'operator' }],
        replicas: { expected: 1, current: 1 },
      },
      form,
    )
    t.equal(reasons.length, 1, form)
  }
  // /proc/drbd of 8.4 has no clients: a volume has one peer, which has the other replica.
  const proc =
    'version: 8.4.11\n 0: cs:Connected ro:Primary/Secondary ds:UpToDate/Diskless C r-----\n    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0\n'
  const [old] = parseProcDrbd(proc).volumes
  t.match(old && judgeDrbdVolume(old).state, 'degraded')
})
