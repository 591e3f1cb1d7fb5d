/**
 * One md array as the kernel shows it in /proc/mdstat, in sysfs, or in both: the kernel's own values. judgeMdArray judges them. `null`: not
 * shown. Sizes are bytes.
 */
export interface MdArray {
  /** The kernel's name (`md0`, `md127`, `md_d0`). */
  readonly name: string
  readonly uuid: string | null
  /** `raid1`, `raid10`, `raid0`, `linear`, `container`, …; `''`: the kernel shows an empty one. */
  readonly level: string | null
  /** mdstat's `active`, `inactive` or `broken`, or sysfs `array_state` (`clean`, `read-auto`, `broken`, …). */
  readonly arrayState: string | null
  readonly readOnly: 'no' | 'read-only' | 'auto-read-only' | null
  /**
   * How many members the array should have, and how many of them are current: mdstat `[2/1]`, sysfs `raid_disks` less
   * `degraded`. More current than expected is real: an active replacement makes `[2/3]`.
   */
  readonly slots: { readonly expected: number | null; readonly current: number | null }
  readonly members: readonly MdMember[]
  /** sysfs `sync_action`; `null`: only mdstat was read. */
  readonly syncAction: string | null
  /** What runs or waits to run; `none`: the source shows that nothing does. */
  readonly operation: MdOperation | 'none' | null
  /** sysfs `resync_start`: `none` once the array is clean; bytes: a resync is still owed from there. */
  readonly resyncStartBytes: number | 'none' | null
  /** sysfs `mismatch_cnt`, in bytes, of the last or running check: a repair counts what it has repaired. */
  readonly mismatchBytes: number | null
  /** Why these values must not be trusted; any entry makes the mirror `unknown`. */
  readonly doubts: readonly MdDoubt[]
}

export interface MdDoubt {
  readonly code: 'unknown-word' | 'word-missing' | 'contradiction' | 'dump-incomplete' | 'source-silent'
  readonly field: string
  readonly word?: string
}

export interface MdMember {
  readonly name: string
  /** The role in the array, only from sysfs (mdstat's `[n]` is the descriptor's number); `null`: none, or not shown. */
  readonly slot: number | null
  /** A member with a slot and without `in-sync` is being recovered; `spare` is one without a slot. */
  readonly flags: readonly MdMemberFlag[]
  /** Size of its bad blocks, only from sysfs; absent: nothing, or not shown. */
  readonly badBytes?: number
}

export type MdMemberFlag =
  | 'failed'
  | 'spare'
  | 'write-mostly'
  | 'replacement'
  | 'journal'
  | 'in-sync'
  /** Writes to the array wait until this member's failure or bad blocks are recorded. */
  | 'blocked'
  /** A write to it has failed since the array was assembled. */
  | 'write-error'
  /** A spare is to replace it. */
  | 'want-replacement'

export interface MdOperation {
  /** mdstat also calls a `repair` and a delayed check `resync`; sysfs `sync_action` is exact. */
  readonly kind: 'resync' | 'recovery' | 'reshape' | 'check' | 'repair'
  /**
   * `starting`: sysfs names it, and it has not begun. `pending`: it is needed and not planned. `remote`: another node of a clustered array
   * runs it.
   */
  readonly status: 'running' | 'starting' | 'delayed' | 'pending' | 'remote'
  /** 0..1 */
  readonly progress: number | null
  readonly doneBytes: number | null
  readonly totalBytes: number | null
  readonly etaSeconds: number | null
}
