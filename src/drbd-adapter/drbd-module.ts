import { statSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { DrbdVolume } from '../sync-query/drbd.ts'

/** The kernel's part of DRBD. */
export interface DrbdModule {
  /** Which DRBD it is; `null` when it does not say so. */
  readonly family: DrbdVolume['family']
}

/**
 * Looks for the module without asking drbdsetup, which would load it; `null` when it is not loaded.
 *
 * @param root the directory that stands for `/`
 */
export async function findDrbdModule(root: string): Promise<DrbdModule | null> {
  if (!isDrbdModuleLoaded(root)) return null
  const version = (await read(join(root, 'sys/module/drbd/version'))) ?? (await read(join(root, 'proc/drbd'))) ?? ''
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

async function read(path: string): Promise<string | null> {
  try {
    return await readFile(path, 'utf8')
  } catch {
    return null
  }
}
