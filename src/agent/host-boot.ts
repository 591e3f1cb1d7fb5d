import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { HostBoot } from '../host-state/watched-srs.ts'

/**
 * Reads the present boot of this host's kernel.
 *
 * @param root the directory that stands for `/`
 * @throws Error when /proc cannot be read: without a boot id no report of this host would be valid
 */
export async function readHostBoot(root: string): Promise<HostBoot> {
  const id = (await readFile(join(root, 'proc/sys/kernel/random/boot_id'), 'utf8')).trim()
  if (!/^[0-9a-f-]{8,64}$/i.test(id)) throw new Error('/proc/sys/kernel/random/boot_id does not hold a boot id')
  const [uptimeSeconds = ''] = (await readFile(join(root, 'proc/uptime'), 'utf8')).split(' ')
  const firstSeq = Math.floor(Number(uptimeSeconds) * 1000)
  if (!Number.isSafeInteger(firstSeq)) throw new Error('/proc/uptime does not begin with a number of seconds')
  return { id, firstSeq }
}

/** The name of this host; `null`: it cannot be read. @param root the directory that stands for `/` */
export async function readHostname(root: string): Promise<string | null> {
  try {
    return (await readFile(join(root, 'proc/sys/kernel/hostname'), 'utf8')).trim() || null
  } catch {
    return null
  }
}
