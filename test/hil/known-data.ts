import { mirrorsOf } from './host-files.ts'
import type { Lab } from './lab.ts'

const TIMEOUT_MS = 90_000

/** Writes new data to the beginning of a mirror, on a primary host. @returns its MD5 sum */
export async function writeKnownData(lab: Lab, host: string, resource: string, sizeMiB: number): Promise<string> {
  const minor = lab.topology.drbd.find(({ name }) => name === resource)?.minor
  const data = '/run/hil/known-data'
  const write = [
    `dd if=/dev/urandom of=${data} bs=1M count=${sizeMiB} 2>/dev/null`,
    `dd if=${data} of=/dev/drbd${minor} bs=1M oflag=direct conv=notrunc 2>/dev/null`,
    `md5sum <${data}; rm ${data}`,
  ].join(' && ')
  return sumIn(await lab.host(host).sh(write, { timeoutMs: TIMEOUT_MS }))
}

/** MD5 sum of the first MiB of the disk below a mirror, read without DRBD. */
export async function sumOfDisk(lab: Lab, host: string, resource: string, sizeMiB: number): Promise<string> {
  const disk = mirrorsOf(lab.topology, host).find(({ plan }) => plan.name === resource)?.disk
  const read = `sync; echo 1 >/proc/sys/vm/drop_caches; dd if=/dev/disk${disk} bs=1M count=${sizeMiB} 2>/dev/null | md5sum`
  return sumIn(await lab.host(host).sh(read, { timeoutMs: TIMEOUT_MS }))
}

function sumIn(output: string): string {
  const sum = /^[0-9a-f]{32}/.exec(output)?.[0]
  if (sum === undefined) throw new Error(`md5sum printed no sum: ${output}`)
  return sum
}
