import { hostFiles } from './host-files.ts'
import type { Lab } from './lab.ts'

/** For as long as a scenario looks at a resync: it must not be over first, however slow this machine emulates. */
export const CRAWLING_MIB_PER_SECOND = 0.25
/** For when it has seen enough. */
export const FAST_MIB_PER_SECOND = 40

/**
 * Lets the kernels of all hosts copy so fast from now on: also in the middle of a resync, and after their next boots.
 * `null`: as fast as at first.
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
