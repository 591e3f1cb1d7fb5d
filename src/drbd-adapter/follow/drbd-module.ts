import { statSync } from 'node:fs'
import { join } from 'node:path'
import type { FileReader } from '../../platform/file-reader/file-reader.ts'
import type { DrbdVolume } from '../../sync-query/judge/drbd.ts'

/** The kernel's part of DRBD. */
export interface DrbdModule {
  /** Which DRBD it is; `null` when it does not say so. */
  readonly family: DrbdVolume['family']
}

/**
 * Looks for the module without asking drbdsetup, which would load it; `null` when it is not loaded. Its version is `null` too
 * while the kernel does not answer.
 *
 * @param root the directory that stands for `/`
 */
export async function findDrbdModule(root: string, files: FileReader): Promise<DrbdModule | null> {
  if (!isDrbdModuleLoaded(root)) return null
  const read = (path: string) => readVersion(join(root, path), files)
  const version = (await read('sys/module/drbd/version')) ?? (await read('proc/drbd')) ?? ''
  const major = /^(?:version: )?(\d+)\./.exec(version)?.[1]
  // drbdsetup takes whatever is not 8.4 for a 9 (its dispatch to drbdsetup-84), and so will later ones be.
  return { family: major === undefined ? null : Number(major) >= 9 ? '9' : '8.4' }
}

/**
 * Whether the module is loaded. In doubt it is: a host without the module has no volumes, which is good news. Sysfs is
 * memory, so a look once a second is cheapest without a thread of its own.
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
