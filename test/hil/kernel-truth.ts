/** The kernel's own state of one DRBD volume. */
export interface DrbdTruth {
  readonly connection: string
  readonly role: string
  readonly disk: string
  readonly peerDisk: string
  readonly outOfSyncKiB: number
  /** Of a running resync, 0..1; `null`: none runs. */
  readonly progress: number | null
}

const VOLUME =
  /^ *(?<minor>\d+): cs:(?<connection>\w+)(?: ro:(?<role>\w+)\/\w+ ds:(?<disk>\w+)\/(?<peerDisk>\w+).*\n.* oos:(?<outOfSync>\d+)(?:\n\t\[.*sync'ed: *(?<percent>[\d.]+)%)?)?/gm

/**
 * Parses /proc/drbd of DRBD 8.4 by volume minor, without any code of the program: both must get the same result independently.
 */
export function readProcDrbd(text: string): ReadonlyMap<number, DrbdTruth> {
  const volumes = text.matchAll(VOLUME).map(({ groups = {} }): [number, DrbdTruth] => [
    Number(groups.minor),
    {
      connection: groups.connection ?? '',
      role: groups.role ?? '',
      disk: groups.disk ?? '',
      peerDisk: groups.peerDisk ?? '',
      outOfSyncKiB: Number(groups.outOfSync ?? 0),
      progress: groups.percent === undefined ? null : Number(groups.percent) / 100,
    },
  ])
  return new Map(volumes)
}

/** Connection states in which nothing is copied; a verify only reads. */
const AT_REST: readonly string[] = ['Connected', 'VerifyS', 'VerifyT']

/** Whether this side of a mirror regards both sides as current. */
export function isInSync({ connection, disk, peerDisk }: DrbdTruth): boolean {
  return AT_REST.includes(connection) && disk === 'UpToDate' && peerDisk === 'UpToDate'
}
