import { open, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { Problem } from '../sync-query/judgement.ts'
import { type ConfiguredVolumes, parseDrbdConfig } from './parse-config.ts'

/** Where configurations of resources lie: an administrator's, and those that LINSTOR writes (XOSTOR). */
const CONFIG_FOLDERS = ['etc/drbd.d', 'var/lib/linstor.d'] as const
const MAX_FILES = 20_000
const MAX_FILE_BYTES = 256 * 1024

/**
 * The volumes that this host's configuration says should be up.
 *
 * @param root the directory that stands for `/`
 */
export async function readDrbdConfig(root: string): Promise<ConfiguredVolumes> {
  const mirrors = new Set<string>()
  const problems: Problem[] = []
  for (const folder of CONFIG_FOLDERS) {
    const names = await list(join(root, folder))
    if (names.length > MAX_FILES) {
      problems.push({ device: null, code: 'too-many-files', text: `/${folder} holds more than ${MAX_FILES} files` })
    }
    for (const name of names.slice(0, MAX_FILES)) {
      const file = `/${folder}/${name}`
      const text = await readLimited(join(root, folder, name))
      if (text === null) continue
      if (text.length >= MAX_FILE_BYTES) {
        problems.push({ device: null, code: 'file-too-large', text: `${file} is larger than ${MAX_FILE_BYTES} bytes` })
        continue
      }
      const configured = parseDrbdConfig(text, file)
      for (const mirror of configured.mirrors) mirrors.add(mirror)
      problems.push(...configured.problems)
    }
  }
  return { mirrors: [...mirrors], problems }
}

async function list(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter(name => name.endsWith('.res'))
  } catch {
    // No such folder: nothing is configured there.
    return []
  }
}

async function readLimited(path: string): Promise<string | null> {
  try {
    await using file = await open(path)
    const { buffer, bytesRead } = await file.read(Buffer.alloc(MAX_FILE_BYTES), 0, MAX_FILE_BYTES, 0)
    return buffer.toString('utf8', 0, bytesRead)
  } catch {
    // Removed since the folder was listed; the next reading will not find it either.
    return null
  }
}
