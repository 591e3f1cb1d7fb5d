import type { Events2Line } from './events2-line.ts'

/**
 * Whether a line may change what a dump without figures prints: a word, or which objects there are. A `change` that carries
 * figures alone does not.
 */
export function mayChangeWords(line: Events2Line): boolean {
  if (line.kind !== 'change' || line.verb !== 'change' || line.object === 'unknown') return true
  return (
    line.connection !== undefined ||
    line.replication !== undefined ||
    line.disk !== undefined ||
    line.peerDisk !== undefined ||
    line.resyncSuspended !== undefined ||
    line.quorum !== undefined ||
    line.client !== undefined ||
    line.peerClient !== undefined ||
    line.syncState !== undefined ||
    line.oddKeys !== undefined
  )
}
