import { hostFiles } from './host-files.ts'
import type { Lab } from './lab.ts'

/** For a resync that a scenario observes: it must not end first, however slow the emulation is. */
export const CRAWLING_MIB_PER_SECOND = 0.25
/** For the rest of the resync. */
export const FAST_MIB_PER_SECOND = 40

/**
 * Sets the resync rate of all hosts' kernels, also of a running resync and after the next boots. `null`: the initial rate.
 */
export async function setResyncRate(lab: Lab, mebibytesPerSecond: number | null): Promise<void> {
  await Promise.all(
    lab.topology.hosts.map(async host => {
      const configured = hostFiles(lab.topology, host)['drbd.conf'] ?? ''
      const before = /resync-rate (\w+)/.exec(configured)?.[1] ?? ''
      const rate = mebibytesPerSecond === null ? before : `${Math.round(mebibytesPerSecond * 1024)}K`
      await lab.host(host).install('drbd.conf', configured.replaceAll(/resync-rate \w+/g, `resync-rate ${rate}`))
      const minors = lab.topology.drbd.filter(({ hosts }) => hosts.includes(host)).map(({ minor }) => minor)
      const change = minors.map(minor => `drbdsetup disk-options ${minor} --resync-rate=${rate}`)
      if (lab.host(host).power === 'on') await lab.host(host).sh(change.join(' && '))
    }),
  )
}
