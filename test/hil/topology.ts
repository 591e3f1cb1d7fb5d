import type { MdPlan } from './array-over-hosts.ts'

/** One mirror over two or more hosts; on each it uses the next free disk. */
export interface DrbdPlan {
  readonly name: string
  readonly minor: number
  readonly hosts: readonly [string, string]
  readonly sizeMiB: number
}

interface SrPlan {
  readonly uuid: string
  readonly hosts: readonly string[]
  /** In the notation of the agent's configuration. */
  readonly drbd: readonly string[]
  readonly md: readonly string[]
  /** Hosts without a mirror of the SR. */
  readonly emptyOn?: readonly string[]
}

/** The machines and their mirrors. Scenarios with the same topology share booted guests. */
export interface Topology {
  readonly name: string
  /** The first host is the coordinator and runs the updater. */
  readonly hosts: readonly [string, ...string[]]
  readonly drbd: readonly DrbdPlan[]
  readonly md: readonly MdPlan[]
  readonly srs: readonly SrPlan[]
  /** Further disks of each host, after those of DRBD and md. */
  readonly spareDisksMiB: readonly number[]
}

/** At 2 MiB/s a full resync takes 24 s: long enough to observe, short enough for many scenarios. */
const MIRROR_MIB = 48

/** The SRs of all topologies. */
export const SR_1 = '5c5c5c5c-0000-4000-8000-000000000001'
export const SR_2 = '5c5c5c5c-0000-4000-8000-000000000002'

/** Two hosts, one SR, one mirror between them. */
export const PAIR: Topology = {
  name: 'pair',
  hosts: ['alpha', 'bravo'],
  drbd: [{ name: 'vol-1', minor: 1, hosts: ['alpha', 'bravo'], sizeMiB: MIRROR_MIB }],
  md: [],
  srs: [{ uuid: SR_1, hosts: ['alpha', 'bravo'], drbd: ['vol-*'], md: [] }],
  spareDisksMiB: [],
}

/** Two hosts, one SR, one RAID1 on the first of them with a leg on the other. */
export const ARRAY_OVER_HOSTS: Topology = {
  name: 'array',
  hosts: ['alpha', 'bravo'],
  drbd: [],
  md: [
    { name: 'md9', uuid: '0d0d0d0d:00004000:80000000:00000009', host: 'alpha', legOn: 'bravo', sizeMiB: MIRROR_MIB },
  ],
  // With a `*`, because bravo need not have the array.
  srs: [{ uuid: SR_1, hosts: ['alpha', 'bravo'], drbd: [], md: ['md*'], emptyOn: ['bravo'] }],
  spareDisksMiB: [],
}

/** Two hosts with a DRBD mirror and an array, each an SR of its own. */
export const PAIR_AND_ARRAY: Topology = {
  name: 'pair-and-array',
  hosts: ['alpha', 'bravo'],
  drbd: PAIR.drbd,
  md: ARRAY_OVER_HOSTS.md,
  srs: [
    { uuid: SR_1, hosts: ['alpha', 'bravo'], drbd: ['vol-*'], md: [] },
    { uuid: SR_2, hosts: ['alpha', 'bravo'], drbd: [], md: ['md*'], emptyOn: ['bravo'] },
  ],
  spareDisksMiB: [],
}

/** Three hosts and two SRs; the second host is one of both. */
export const TRIO: Topology = {
  name: 'trio',
  hosts: ['alpha', 'bravo', 'charlie'],
  drbd: [
    { name: 'vol-1', minor: 1, hosts: ['alpha', 'bravo'], sizeMiB: MIRROR_MIB },
    { name: 'vol-2', minor: 2, hosts: ['bravo', 'charlie'], sizeMiB: MIRROR_MIB },
  ],
  md: [],
  srs: [
    { uuid: SR_1, hosts: ['alpha', 'bravo'], drbd: ['vol-1'], md: [] },
    { uuid: SR_2, hosts: ['bravo', 'charlie'], drbd: ['vol-2'], md: [] },
  ],
  spareDisksMiB: [],
}
