import type { Replica } from '../report/report.ts'

/** Where the replicas of one mirror are, by one reading. */
export interface Placement {
  /** The mirror refuses I/O without a majority of its replicas, or may refuse it: the kernel does not show that. */
  readonly quorum: boolean
  readonly replicas: readonly Replica[]
}

/** Limits the memory if names of peers keep changing; 64 hosts make 1 953 pairs of peers. */
const MAX_BRANCHES = 65_536

/**
 * The placements of one host's mirrors, each stored once, because thousands of volumes share few. A mirror keeps a reference, and mirrors
 * with the same placement are found by comparing references.
 */
export class Placements {
  #root = new Branch()
  #branches = 0

  /** Returns the shared object that equals `placement`. */
  intern(placement: Placement): Placement {
    // Existing references stay valid; they are only shared less.
    if (this.#branches > MAX_BRANCHES) {
      this.#root = new Branch()
      this.#branches = 0
    }
    let branch = this.#root
    for (const replica of placement.replicas) branch = this.#follow(branch, replica)
    const quorum = placement.quorum ? 'withQuorum' : 'withoutQuorum'
    branch[quorum] ??= placement
    return branch[quorum]
  }

  #follow(branch: Branch, replica: Replica): Branch {
    const role = roleOf(replica)
    let branches = branch.grown[role]
    if (branches === undefined) {
      branches = new Map()
      branch.grown[role] = branches
    }
    const known = branches.get(replica.peer)
    if (known !== undefined) return known
    const grown = new Branch()
    branches.set(replica.peer, grown)
    this.#branches += 1
    return grown
  }
}

/** All placements that begin with the same replicas. */
class Branch {
  /** By role of the next replica, then by its peer. */
  readonly grown: { [R in Role]?: Map<string, Branch> } = {}
  withQuorum: Placement | null = null
  withoutQuorum: Placement | null = null
}

export function isSamePlacement(a: Placement, b: Placement): boolean {
  return (
    a.quorum === b.quorum &&
    a.replicas.length === b.replicas.length &&
    a.replicas.every((replica, index) => isSameReplica(replica, b.replicas[index]))
  )
}

function isSameReplica(a: Replica, b: Replica | undefined): boolean {
  return a.peer === b?.peer && roleOf(a) === roleOf(b)
}

type Role =
  | 'current'
  | 'stale'
  | 'diskless'
  | 'voteless'
  | 'connectedCurrent'
  | 'connectedStale'
  | 'connectedDiskless'
  | 'connectedVoteless'

/** Everything about a replica except its peer. */
function roleOf({ current, connected, diskless, votes }: Replica): Role {
  if (diskless === true && votes === false) return connected === true ? 'connectedVoteless' : 'voteless'
  if (diskless === true) return connected === true ? 'connectedDiskless' : 'diskless'
  if (connected === true) return current ? 'connectedCurrent' : 'connectedStale'
  return current ? 'current' : 'stale'
}
