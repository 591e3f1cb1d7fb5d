import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'

/** The DRBD kernel module. */
export interface DrbdModule {
  /** `null`: the version is not known. */
  readonly family: DrbdVolume['family']
}

/**
 * Finds the loaded module without drbdsetup, because drbdsetup would load it. Returns `null` if the module is not loaded. The
 * family is `null` while the kernel does not answer.
 *
 * @param root the directory that stands for `/`
 */
export async function findDrbdModule(root: string, files: FileReader): Promise<DrbdModule | null> {
  if (!isDrbdModuleLoaded(root)) return null
  const read = (path: string) => readVersion(join(root, path), files)
  const version = (await read('sys/module/drbd/version')) ?? (await read('proc/drbd')) ?? ''
  const major = /^(?:version: )?(\d+)\./.exec(version)?.[1]
  // drbdsetup treats every version but 8.4 as version 9 (its dispatch to drbdsetup-84); so does this program with later versions.
  return { family: major === undefined ? null : Number(major) >= 9 ? '9' : '8.4' }
}

/**
 * Returns true if the module is loaded, or if that cannot be determined: "not loaded" means "no volumes", which is good news. Sysfs
 * is memory, so one synchronous stat per second is cheaper than a thread.
 */
export function isDrbdModuleLoaded(root: string): boolean {
  try {
    return statSync(join(root, 'sys/module/drbd'), { throwIfNoEntry: false }) !== undefined
  } catch {
    return true
  }
}

const MAX_BYTES = 2 ** 24

async function readVersion(path: string, files: FileReader): Promise<string | null> {
  const reading = await files.read({ key: path, steps: [[path, MAX_BYTES]] })
  const [result] = reading.kind === 'done' ? reading.results : []
  return result !== undefined && 'text' in result ? result.text : null
}
