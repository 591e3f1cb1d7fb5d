import type { HostMirrors } from '../../../src/sync-query/history/host-mirrors.ts'
import type { SrFold, SrStatus } from '../../../src/sync-query/sr-state/sr-fold.ts'

/** What can be said of an SR at a moment. @param isOfSr whether a mirror belongs to it; default: each does */
export function statusOf(
  sr: SrFold,
  mirrors: HostMirrors,
  at: number,
  isOfSr: (mirror: string) => boolean = () => true,
): SrStatus {
  const listed = mirrors.mirrorsWithReasons().filter(({ mirror }) => isOfSr(mirror))
  return sr.status(mirrors.reasonsOf(listed, at))
}
