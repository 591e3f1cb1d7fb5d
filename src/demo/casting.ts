import type { Casting } from './stand-in/recording.ts'

/** The recorded hosts. `charlie` is the one that leaves and returns. */
export const RECORDED_HOSTS = ['alpha', 'bravo', 'charlie'] as const

export type RecordedHost = (typeof RECORDED_HOSTS)[number]

/** Who of the pool's three hosts plays whom, when `leaving` is the one to leave. */
export function castRoles(hostnames: readonly string[], leaving: string): Record<RecordedHost, string> {
  const [alpha = '', bravo = ''] = hostnames.filter(hostname => hostname !== leaving)
  return { alpha, bravo, charlie: leaving }
}

/** The recorded configuration with the names of the pool's hosts, in the order of their node ids. */
export function castConfiguration(text: string, hostnames: readonly string[]): string {
  return text.replace(/\b(?:alpha|bravo|charlie)\b/g, recorded => {
    const recordedHosts: readonly string[] = RECORDED_HOSTS
    return hostnames[recordedHosts.indexOf(recorded)] ?? recorded
  })
}

/** The same as names and node ids to put into a stream. A host keeps its node id in every role. */
export function castingOf(hostnames: readonly string[], roles: Record<RecordedHost, string>): Casting {
  return Object.fromEntries(
    RECORDED_HOSTS.map(recorded => {
      const hostname = roles[recorded]
      return [recorded, { hostname, nodeId: hostnames.indexOf(hostname) }]
    }),
  )
}
