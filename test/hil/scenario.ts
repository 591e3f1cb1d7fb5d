import type { Lab } from './lab.ts'
import type { Topology } from './topology.ts'

/** One test on real kernels. It begins with everything in sync and every host in maintenance. */
export interface Scenario {
  readonly number: number
  readonly title: string
  /** Scenarios with the same topology run one after another on the same guests. */
  readonly topology: Topology
  /** @throws anything if the scenario fails */
  readonly run: (lab: Lab) => Promise<void>
}
