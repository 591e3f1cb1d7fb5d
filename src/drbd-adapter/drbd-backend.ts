import type { Backend, JudgeContext } from '../sync-query/backend.ts'
import type { DrbdVolume } from '../sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../sync-query/judge/judge-drbd.ts'
import type { ConfiguredVolumes } from './config/read-config.ts'
import { watchDrbdConfig } from './config/watch-config.ts'
import { expectedVolumes, namesOfVolume } from './expected-volumes.ts'
import { DrbdView } from './follow/drbd-view.ts'
import { followDrbd } from './follow/follow-drbd.ts'

/** DRBD 9 and 8.4: `drbdsetup events2` is the source, `/etc/drbd.d` and LINSTOR's files are the configuration. */
export const drbdBackend: Backend<DrbdVolume, ConfiguredVolumes> = {
  name: 'drbd',
  hasPeers: true,
  nameOf: ({ mirror }) => mirror,
  namesOf: ({ mirror }) => namesOfVolume(mirror),

  judge(volume, context, { at, followsGap }) {
    const drbd = withoutIgnored(volume, context)
    // The events of DRBD 8.4 carry no progress, so their absence proves nothing.
    const silenceMeansStall = volume.family === '9'
    return { judgement: judgeDrbdVolume(drbd, context.configured), at, silenceMeansStall, followsGap, drbd }
  },

  follow({ root, command, clock, signal, pool }) {
    const [drbdsetup, ...args] = command
    if (drbdsetup === undefined) throw new TypeError('the command drbdsetup must not be empty')
    const view = new DrbdView()
    const updates = followDrbd({ drbdsetup: [drbdsetup, ...args], root, clock, signal, pool, view })
    return { [Symbol.asyncIterator]: () => updates, current: mirror => view.volume(mirror) }
  },

  configured: ({ root, clock, signal }) => watchDrbdConfig({ root, clock, signal }),
  expected: ({ volumes }, patterns) => expectedVolumes(volumes, patterns),
  resolve: patterns => patterns,
}

function withoutIgnored(volume: DrbdVolume, { ignored }: JudgeContext): DrbdVolume {
  if (ignored.size === 0) return volume
  const peers = volume.peers.filter(({ peer }) => !ignored.has(peer))
  return { ...volume, peers, removedPeers: volume.removedPeers.filter(peer => !ignored.has(peer)) }
}
