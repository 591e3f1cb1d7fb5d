import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

/** Which boot of which kernel a report speaks of. */
export interface HostBoot {
  /** /proc/sys/kernel/random/boot_id */
  readonly id: string
  /**
   * Where the sequence numbers of a daemon that starts now begin: the milliseconds since the boot. So they rise over
   * restarts of the daemon within one boot without anything being stored, and a step of the wall clock does no harm.
   */
  readonly firstSeq: number
}

/**
 * @param root the directory that stands for `/`
 * @throws Error when /proc is not readable: without a boot id no report of this host could ever count
 */
export async function readHostBoot(root: string): Promise<HostBoot> {
  const id = (await readFile(join(root, 'proc/sys/kernel/random/boot_id'), 'utf8')).trim()
  if (!/^[0-9a-f-]{8,64}$/i.test(id)) throw new Error('/proc/sys/kernel/random/boot_id does not hold a boot id')
  const [uptimeSeconds = ''] = (await readFile(join(root, 'proc/uptime'), 'utf8')).split(' ')
  const firstSeq = Math.floor(Number(uptimeSeconds) * 1000)
  if (!Number.isSafeInteger(firstSeq)) throw new Error('/proc/uptime does not begin with a number of seconds')
  return { id, firstSeq }
}
