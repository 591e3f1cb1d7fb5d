import type { HostMapping } from './simulated-drbdsetup/recording.ts'

/** The recorded hosts. `charlie` is the one that goes down and returns. */
export const RECORDED_HOSTS = ['alpha', 'bravo', 'charlie'] as const

type RecordedHost = (typeof RECORDED_HOSTS)[number]

/** Hostnames of the pool by recorded host. */
export type HostRoles = Readonly<Record<RecordedHost, string>>

/** Maps the recorded hosts to the pool's three hosts so that `charlie` is `leaving`. */
export function assignRoles(hostnames: readonly string[], leaving: string): HostRoles {
  const [alpha = '', bravo = ''] = hostnames.filter(hostname => hostname !== leaving)
  return { alpha, bravo, charlie: leaving }
}

/** Replaces the recorded hostnames in the DRBD configuration by the pool's, in the order of their node ids. */
export function renameInConfiguration(text: string, hostnames: readonly string[]): string {
  return text.replace(/\b(?:alpha|bravo|charlie)\b/g, recorded => {
    const recordedHosts: readonly string[] = RECORDED_HOSTS
    return hostnames[recordedHosts.indexOf(recorded)] ?? recorded
  })
}

/** The names and node ids that replace the recorded ones in a stream. A host keeps its node id in every role. */
export function mappingOf(hostnames: readonly string[], roles: HostRoles): HostMapping {
  return Object.fromEntries(
    RECORDED_HOSTS.map(recorded => {
      const hostname = roles[recorded]
      return [recorded, { hostname, nodeId: hostnames.indexOf(hostname) }]
    }),
  )
}
