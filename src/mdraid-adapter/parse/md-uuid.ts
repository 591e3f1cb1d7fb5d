/**
 * Converts a UUID of md to the kernel's notation (`%pU` in uuid_show, drivers/md/md.c). Accepts that notation and mdadm's
 * (`8349c26d:d2722bc4:…` with any of `:. -` anywhere, parse_uuid of mdadm); `null` for anything but 32 hex digits.
 */
export function mdUuid(text: string): string | null {
  const digits = text.replace(/[:. -]/g, '').toLowerCase()
  return /^[0-9a-f]{32}$/.test(digits) ? withDashes(digits) : null
}

/**
 * The kernel's UUID of an array with 0.90 metadata, from mdadm's. The metadata holds four numbers: mdadm prints them as numbers, the
 * kernel as bytes in memory (super_90_validate, least significant first).
 */
export function uuidOfOldMetadata(uuid: string): string {
  return withDashes(uuid.replaceAll('-', '').replace(/(..)(..)(..)(..)/g, '$4$3$2$1'))
}

function withDashes(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
