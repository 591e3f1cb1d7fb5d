import type { SyncState } from '../state.ts'

/** What clears a reason: waiting is enough, or somebody has to act. */
export type ClearedBy = 'time' | 'operator'

/** The parameters of a reason. */
export interface ReasonDetails {
  /** The mirror: `resource/volume`, or the array's kernel name; `*`: the whole SR. */
  readonly mirror: string
  readonly clearedBy: ClearedBy
  /** The peer (DRBD connection name) or member (md device). */
  readonly peer?: string
  /** The kernel's own value. */
  readonly word?: string
  /** The field of that value, such as `disk`, `replication`, `sync_action`. */
  readonly field?: string
  /** This host's side of the copy. The source has the current data. */
  readonly side?: 'source' | 'target'
  /** 0..1 */
  readonly progress?: number
  readonly outOfSyncBytes?: number
  /** Number of missing or failed replicas. */
  readonly missing?: number
  /** When this host first observed it, ISO 8601. Only for reasons that stop I/O. */
  readonly since?: string
  /** The object to act on, if that is not `mirror`. */
  readonly waitsFor?: string
  /** The replicas among which an operator has to choose. */
  readonly candidates?: readonly Candidate[]
}

/** A replica that is not current. */
export interface Candidate {
  /** As reasons name peers; `self`: the replica of the host that gives the reason. */
  readonly peer: string
  /** DRBD's state of its disk. */
  readonly word: string
  /** What is marked out of sync between it and the host that gives the reason. */
  readonly outOfSyncBytes?: number
  /** When the disk got that state, ISO 8601; absent if the change was not observed. */
  readonly since?: string
  /** It was the source of the last resync that this host observed. */
  readonly wasSource?: true
}

/** What an operator does about a reason. */
export interface Remedy<Place extends string = RemedyPlace> {
  /** What to do, or that waiting is enough. */
  readonly text: string
  /** What the commands may destroy or stop. */
  readonly warning?: string
  /** Commands in order. The operator replaces words in capitals. */
  readonly steps: readonly RemedyStep<Place>[]
}

interface RemedyStep<Place extends string> {
  readonly on: Place
  readonly commands: readonly string[]
}

/** `here` is the host that gives the reason. The operator chooses the sides of a copy. */
type RemedyPlace = 'here' | 'peer' | 'either-side' | 'losing-side' | 'keeping-side'

/** The parts of a remedy's commands, quoted for a shell. */
export interface RemedyContext {
  readonly reason: ReasonDetails
  readonly isDrbd: boolean
  readonly resource: string
  /** `RESOURCE/VOLUME`, for commands on one local disk. */
  readonly volume: string
  /** The connection to the peer, if it has a name: DRBD 8.4 calls each peer `peer`, and a resource has one connection. */
  readonly connection: string
  /** The same connection as the peer names it, by the host that gives the reason. */
  readonly connectionThere: string
  /** `RESOURCE:PEER/VOLUME`, for commands on a pair of disks. */
  readonly pair: string
  readonly pairThere: string
  /** The pair of a side that the operator chooses; the other end is a word in capitals. */
  readonly pairOfLoser: string
  /** The connections of a losing and of a keeping side; the other end is a word in capitals. */
  readonly towardsKept: string
  readonly towardsLoser: string
  readonly device: string
  readonly syncAction: string
  /** The command that waits for the SR. */
  readonly wait: string
  /** The host that gives the reason. */
  readonly speaker: string
  /** The file that the reason is about. */
  readonly file: string
  /** The agent's file about the mirrors that the SR had on this host, with the default stateDirectory. */
  readonly memoryFile: string
}

/** Everything about one reason code. TROUBLESHOOTING.md has an entry for each code. */
export interface ReasonKind {
  /** The condition in a few words, for headings and groups. */
  readonly title: string
  /** The state of a mirror with this reason; `null`: a warning that never blocks. */
  readonly implies: Exclude<SyncState, 'synced'> | null
  /** The usual case; a single reason may say otherwise. */
  readonly clearedBy: ClearedBy
  /** One sentence with the names of the objects. `here` is the name of the host that gives the reason. */
  readonly sentence: (reason: ReasonDetails, here: string) => string
  readonly remedy: (context: RemedyContext) => Remedy
  /** A reason that time should clear needs an operator after this many milliseconds. Absent: never. */
  readonly patienceMs?: number
  /** Virtual disks of the mirror cannot be used: it comes first in every list. */
  readonly makesUnusable?: true
  /** The gauge that counts mirrors with this reason, besides the count by code. */
  readonly gauge?: 'stalled' | 'io-stopped'
  /** The reason carries `since`. */
  readonly isDated?: true
  /** Data is copied, or will be in a moment. */
  readonly copies?: true
  /** The end of a copy for the same mirror also ends this reason. */
  readonly endsWithCopy?: true
  /** An operator has set a pause. */
  readonly isPause?: true
  /** This host has no connection to the peer. */
  readonly isDisconnected?: true
  /** A peer's report with this code may correct the reason that this host gives for the same connection. */
  readonly correctsPeer?: true
  /** A peer whose host is down causes this reason. */
  readonly followsAbsentPeer?: true
}

export const MINUTE_MS = 60_000
