import type { Backend } from '../sync-query/backend.ts'
import { judgeMdArray } from '../sync-query/judge/judge-md.ts'
import type { MdArray } from '../sync-query/judge/md.ts'
import type { ConfiguredArrays } from './config/parse-md-config.ts'
import { watchMdConfig } from './config/watch-md-config.ts'
import { expectedArrays, namesOfArray, resolveArrays } from './expected-arrays.ts'
import { followMd } from './follow/follow-md.ts'

/** md: /proc/mdstat and sysfs are the source, mdadm.conf is the configuration, `mdadm --monitor` gives hints. */
export const mdBackend: Backend<MdArray, ConfiguredArrays> = {
  name: 'md',
  hasPeers: false,
  nameOf: ({ name }) => name,
  namesOf: ({ name, uuid }) => namesOfArray(name, uuid),
  judge: (array, _context, { at, followsGap }) => ({
    judgement: judgeMdArray(array),
    at,
    silenceMeansStall: true,
    followsGap,
  }),

  follow({ root, command, clock, signal, pool }) {
    const [mdadm, ...args] = command
    const hints = mdadm === undefined ? {} : { mdadm: [mdadm, ...args] as const }
    const updates = followMd({ root, clock, signal, pool, ...hints })
    // Nothing but a reading changes the judgement of an array, so none is judged anew.
    return { [Symbol.asyncIterator]: () => updates, current: () => null }
  },

  configured: ({ root, clock, signal, pool }) => watchMdConfig({ root, clock, signal, pool }),
  expected: expectedArrays,
  resolve: resolveArrays,
}
