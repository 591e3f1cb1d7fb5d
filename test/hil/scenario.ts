import type { Lab } from './lab.ts'
import type { Topology } from './topology.ts'

/** One story that is played on real kernels. It begins with everything in sync and every host in maintenance. */
export interface Scenario {
  readonly number: number
  readonly title: string
  /** Scenarios with the same topology are played one after another on the same guests. */
  readonly topology: Topology
  /** @throws anything, when the story does not end as it must */
  readonly play: (lab: Lab) => Promise<void>
}
