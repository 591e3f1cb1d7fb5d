/** The kernel's own state of one md array. */
export interface MdTruth {
  readonly arrayState: string
  /** Slots without a current member. */
  readonly degraded: number
  readonly syncAction: string
  /** Sectors; of the last or running check. */
  readonly mismatchCount: number
  /** Of the running action, 0..1; `null`: none runs. */
  readonly progress: number | null
}

/** Prints the input of `readMdTruth`: files of sysfs as `name:value`. */
export function mdTruthScript(name: string): string {
  return `cd /sys/block/${name}/md && grep . array_state degraded sync_action mismatch_cnt && grep -A3 '^${name} :' /proc/mdstat`
}

/** Parses the output of `mdTruthScript`, without any code of the program. @throws Error if the array does not run */
export function readMdTruth(text: string): MdTruth {
  const [arrayState, degraded, syncAction, mismatchCount] = [
    'array_state',
    'degraded',
    'sync_action',
    'mismatch_cnt',
  ].map(file => new RegExp(`^${file}:(\\S+)`, 'm').exec(text)?.[1])
  if (arrayState === undefined || degraded === undefined || syncAction === undefined)
    throw new Error(`the array does not run: ${text.trim()}`)
  const [, percent] = /(?:resync|recovery|check|repair) *= *([\d.]+)%/.exec(text) ?? []
  return {
    arrayState,
    degraded: Number(degraded),
    syncAction,
    mismatchCount: Number(mismatchCount ?? 0),
    progress: percent === undefined ? null : Number(percent) / 100,
  }
}

/** Whether all replicas of the array are current. A check only reads. */
export function isArrayInSync({ arrayState, degraded, syncAction }: MdTruth): boolean {
  return (
    /^(?:clean|active|active-idle|write-pending)$/.test(arrayState) &&
    degraded === 0 &&
    /^(?:idle|check)$/.test(syncAction)
  )
}
