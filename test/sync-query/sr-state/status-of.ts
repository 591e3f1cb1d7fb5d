import type { HostMirrors } from '../../../src/sync-query/history/host-mirrors.ts'
import type { SrFold, SrStatus } from '../../../src/sync-query/sr-state/sr-fold.ts'

/** The status of an SR at a time. @param isOfSr whether a mirror belongs to the SR; default: every mirror does */
export function statusOf(
  sr: SrFold,
  mirrors: HostMirrors,
  at: number,
  isOfSr: (mirror: string) => boolean = () => true,
): SrStatus {
  const listed = mirrors.mirrorsWithReasons().filter(({ mirror }) => isOfSr(mirror))
  return sr.status(mirrors.reasonsOf(listed, at))
}
