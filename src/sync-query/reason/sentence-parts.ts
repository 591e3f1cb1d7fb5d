import { formatBytes } from '../../platform/text/bytes.ts'
import type { ReasonDetails } from './reason-kind.ts'

/** Parts of sentences; each is empty if the reason does not have its parameter. */

export function withPeer({ peer }: ReasonDetails): string {
  return peer === undefined ? '' : ` with ${peer}`
}

export function inBrackets({ word }: ReasonDetails): string {
  return word === undefined ? '' : ` (${word})`
}

export function sinceMoment({ since }: ReasonDetails): string {
  return since === undefined ? '' : ` since ${since}`
}

/** Progress if known, otherwise the amount out of sync. */
export function amount({ progress, outOfSyncBytes }: ReasonDetails): string {
  // Floor, because 99.97 % is not 100 %. The epsilon keeps 0.7 % from becoming 0.6 % by binary fractions.
  if (progress !== undefined) return `, ${(Math.floor(progress * 1000 + 1e-9) / 10).toFixed(1)} % done`
  return outOfSyncBytes === undefined ? '' : `, ${formatBytes(outOfSyncBytes)} out of sync`
}

export function bytesInBrackets({ outOfSyncBytes }: ReasonDetails): string {
  return outOfSyncBytes === undefined ? '' : ` (${formatBytes(outOfSyncBytes)})`
}

/** How a reason ends, for the end of its sentence. */
export function clearing({ clearedBy }: Pick<ReasonDetails, 'clearedBy'>): string {
  return clearedBy === 'time' ? '(clears by itself)' : '(needs an operator)'
}

/** Empty for a reason of a whole SR. */
export function mirrorPrefix({ mirror }: ReasonDetails): string {
  return mirror === '*' ? '' : `${mirror}: `
}
