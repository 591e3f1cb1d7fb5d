/**
 * One md array as the kernel describes it in /proc/mdstat, in sysfs, or in both. Words are kept as they were said.
 * `null` is "not said". Sizes are bytes.
 */
export interface MdArray {
  /** The kernel's name (`md0`, `md127`, `md_d0`). */
  readonly name: string
  readonly uuid: string | null
  /** `raid1`, `raid10`, `raid0`, `linear`, `container`, …; `''` when the kernel said an empty one. */
  readonly level: string | null
  /** mdstat's `active` or `inactive`, or the word of sysfs `array_state` (`clean`, `read-auto`, `broken`, …). */
  readonly arrayState: string | null
  readonly readOnly: 'no' | 'read-only' | 'auto-read-only' | null
  /** How many members the array should have, and how many of them are current (mdstat `[2/1]`, sysfs). */
  readonly slots: { readonly expected: number | null; readonly current: number | null }
  readonly members: readonly MdMember[]
  /** sysfs `sync_action` as it was said; `null` where only mdstat was read. */
  readonly syncAction: string | null
  /** The operation line of mdstat or what sysfs says of it. */
  readonly operation: MdOperation | null
  /** sysfs `resync_start` (also `recovery_cp`): `none` once the array is clean; bytes: a resync is still owed from there. */
  readonly resyncStartBytes: number | 'none' | null
  /** sysfs `mismatch_cnt`, in bytes. */
  readonly mismatchBytes: number | null
  /** Words that the parser does not know; any entry makes the mirror `unknown`. */
  readonly doubts: readonly MdDoubt[]
}

export interface MdDoubt {
  readonly code: 'unknown-word' | 'word-missing' | 'contradiction' | 'source-silent'
  readonly field?: string
  readonly word?: string
}

export interface MdMember {
  readonly name: string
  /** The role (slot) in the array; `null` for a spare, a failed member, or when not said. */
  readonly slot: number | null
  readonly flags: readonly MdMemberFlag[]
}

export type MdMemberFlag = 'failed' | 'spare' | 'write-mostly' | 'replacement' | 'journal' | 'in-sync' | 'blocked'

export interface MdOperation {
  /** mdstat's word. A `repair` shows as `resync` there, and a delayed check as `resync=DELAYED`: `syncAction` knows better. */
  readonly kind: 'resync' | 'recovery' | 'reshape' | 'check' | 'repair'
  readonly status: 'running' | 'delayed' | 'pending' | 'remote'
  readonly progress: number | null
  readonly doneBytes: number | null
  readonly totalBytes: number | null
  readonly etaSeconds: number | null
}
