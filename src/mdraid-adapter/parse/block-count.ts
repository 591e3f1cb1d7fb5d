/** mdstat counts blocks of 1 KiB, sysfs sectors of 512 bytes (drivers/md/md.c). */
const KIBIBYTE = 1024
const SECTOR = 512

/** Converts a count of mdstat's blocks to bytes; `null` if it is no count or too large for a number. */
export function blocksToBytes(digits: string | undefined): number | null {
  return toBytes(digits, KIBIBYTE)
}

/** Converts a count of sysfs's sectors to bytes; `null` if it is no count or too large for a number. */
export function sectorsToBytes(digits: string | undefined): number | null {
  return toBytes(digits, SECTOR)
}

/** The progress of an operation, 0 to 1, from the two counts of one line; `null` if either is not known or the total is 0. */
export function progressOf(doneBytes: number | null, totalBytes: number | null): number | null {
  if (doneBytes === null || totalBytes === null || totalBytes === 0) return null
  return Math.min(doneBytes / totalBytes, 1)
}

function toBytes(digits: string | undefined, unit: number): number | null {
  if (digits === undefined || !/^\d{1,20}$/.test(digits)) return null
  const bytes = Number(digits) * unit
  return Number.isSafeInteger(bytes) ? bytes : null
}
