import { MirrorMemory } from '../../src/agent/mirror-memory.ts'
import { type ExpectedMirror, expectedVolumes } from '../../src/host-state/expected-mirrors.ts'
import { HostAgent, type HostAgentOptions } from '../../src/host-state/host-agent.ts'
import type { SrSelection } from '../../src/host-state/sr-selection.ts'
import type { ConfiguredPeer } from '../../src/sync-query/judge/configured-peers.ts'
import type { DrbdPeer, DrbdVolume } from '../../src/sync-query/judge/drbd.ts'
import type { MdArray } from '../../src/sync-query/judge/md.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import { peer, volume as volumeOf } from '../sync-query/drbd-volume.ts'

export const HOST = '0a0a0a0a-0000-4000-8000-000000000001'
export const SR = '5c5c5c5c-0000-4000-8000-000000000001'
export const BOOT = { id: 'b0b0b0b0-0000-4000-8000-000000000001', firstSeq: 1000 }

export const volume = (mirror: string, peers: readonly DrbdPeer[] = [peer('hostB')]) => volumeOf(mirror, peers)

/** The same SR on a host that may have no mirror of it. */
export const maybeEmpty = (sr: SrSelection): SrSelection => ({ ...sr, allowEmpty: true })

export const drbdSr = (drbd: readonly string[], ignorePeers: readonly string[] = [], uuid = SR): SrSelection => ({
  uuid,
  drbd,
  md: [],
  ignorePeers,
})

/** Volumes that a configuration names, with the peer `hostB`, or with those given. */
export const configured = (mirrors: readonly string[], peers: readonly ConfiguredPeer[] = [configuredPeer('hostB')]) =>
  mirrors.map(mirror => ({ mirror, peers: { peers, doubt: null } }))

export const configuredPeer = (name: string, nodeId: string | null = null, diskless = false): ConfiguredPeer => ({
  nodeId,
  names: [name],
  diskless,
})

export const expected = (...mirrors: readonly string[]): ExpectedMirror[] => expectedVolumes(configured(mirrors), [])

/** An agent whose reports arrive at once and whose configuration was read; `kinds` are the edges it told of. */
export function agentOf(options: Partial<HostAgentOptions> = {}, named: readonly string[] = []) {
  const kinds: string[] = []
  const pushed: Report[] = []
  const clock = { now: 0 }
  /** What the source has told of last. */
  const known = new Map<string, DrbdVolume>()
  const agent = new HostAgent({
    host: HOST,
    boot: BOOT,
    srs: [drbdSr(['mesh*'])],
    now: () => clock.now,
    sink: {
      push: async report => {
        pushed.push(report)
      },
    },
    hostname: 'hostA',
    memory: new MirrorMemory(null, () => undefined),
    drbdVolume: mirror => known.get(mirror) ?? null,
    witness: (_sr, { kind }) => kinds.push(kind),
    expectationPace: { forgetAfterMs: 600_000, missAfterMs: 0 },
    ...options,
  })
  agent.expect('drbd', expected(...named))
  agent.expect('md', [])
  const see = (
    at: number,
    changed: readonly DrbdVolume[],
    doubt: string | null = null,
    removed: readonly string[] = [],
  ) => {
    clock.now = at
    for (const mirror of removed) known.delete(mirror)
    for (const each of changed) known.set(each.mirror, each)
    agent.applyDrbd({ at, changed, removed, doubt })
  }
  const seeMd = (
    at: number,
    changed: readonly MdArray[],
    doubt: string | null = null,
    removed: readonly string[] = [],
  ) => {
    clock.now = at
    agent.applyMd({ at, changed, removed, doubt })
  }
  const state = (sr = SR) => agent.report(sr)?.state
  return { agent, kinds, pushed, clock, see, seeMd, state }
}

export function array(name: string, said: Partial<MdArray> = {}): MdArray {
  return {
    name,
    uuid: `${name}-uuid`,
    level: 'raid1',
    arrayState: 'clean',
    readOnly: 'no',
    slots: { expected: 2, current: 2 },
    members: [
      { name: 'sda1', slot: 0, flags: ['in-sync'] },
      { name: 'nbd0', slot: 1, flags: ['in-sync'] },
    ],
    syncAction: 'idle',
    operation: 'none',
    resyncStartBytes: 'none',
    mismatchBytes: 0,
    doubts: [],
    ...said,
  }
}
