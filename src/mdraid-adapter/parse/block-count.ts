/** mdstat counts blocks of 1 KiB, sysfs sectors of 512 bytes (drivers/md/md.c). */
const KIBIBYTE = 1024
const SECTOR = 512

/** Bytes of mdstat's blocks; `null` for what is no count that a number can hold. */
export function blocksToBytes(digits: string | undefined): number | null {
  return toBytes(digits, KIBIBYTE)
}

/** Bytes of sysfs's sectors; `null` for what is no count that a number can hold. */
export function sectorsToBytes(digits: string | undefined): number | null {
  return toBytes(digits, SECTOR)
}

/** How far an operation is, from the two counts of one line; `null` where either is not known or there is nothing to do. */
export function progressOf(doneBytes: number | null, totalBytes: number | null): number | null {
  if (doneBytes === null || totalBytes === null || totalBytes === 0) return null
  return Math.min(doneBytes / totalBytes, 1)
}

function toBytes(digits: string | undefined, unit: number): number | null {
  if (digits === undefined || !/^\d{1,20}$/.test(digits)) return null
  const bytes = Number(digits) * unit
  return Number.isSafeInteger(bytes) ? bytes : null
}
