import { mkdir, rename } from 'node:fs/promises'
import { dirname } from 'node:path'
import { readWhole } from '../platform/durable-file/read-whole.ts'
import { replaceFile } from '../platform/durable-file/replace-file.ts'
import { messageOf } from '../platform/errors.ts'
import { decodeJournal, encodeJournal, type Journal } from './resync-journal.ts'

const MAX_JOURNAL_BYTES = 4 * 1_048_576

/**
 * Reads the journal of a host. A journal that cannot be used is renamed with the suffix `.broken`, so that an operator can inspect it,
 * and reported: continuing without it is better than not watching.
 */
export async function openJournal(path: string, host: string, onBroken: (text: string) => void): Promise<Journal> {
  let problem: string
  try {
    const text = await readWhole(path, MAX_JOURNAL_BYTES)
    if (text === null) return new Map()
    const decoded = decodeJournal(host, text)
    if ('journal' in decoded) return decoded.journal
    problem = decoded.problem
  } catch (error) {
    problem = messageOf(error)
  }
  onBroken(`${path}: ${problem}`)
  // If the rename fails, writing the new journal fails as well and reports it.
  await rename(path, `${path}.broken`).catch(() => undefined)
  return new Map()
}

/** @returns the problem; `null` if the journal is on the disk */
export async function saveJournal(path: string, host: string, journal: Journal): Promise<string | null> {
  try {
    await mkdir(dirname(path), { recursive: true })
    await replaceFile(path, encodeJournal(host, journal))
    return null
  } catch (error) {
    return `${path}: ${messageOf(error)}`
  }
}
