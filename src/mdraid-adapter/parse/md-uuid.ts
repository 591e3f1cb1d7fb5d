/**
 * A UUID of md in the kernel's form (`%pU` in uuid_show, drivers/md/md.c), from that or from mdadm's
 * (`8349c26d:d2722bc4:…`: any of `:. -` may stand anywhere, parse_uuid of mdadm); `null` where it is not 32 hex digits.
 */
export function mdUuid(text: string): string | null {
  const digits = text.replace(/[:. -]/g, '').toLowerCase()
  return /^[0-9a-f]{32}$/.test(digits) ? withDashes(digits) : null
}

/**
 * The UUID that the kernel shows where mdadm says `uuid` of an array with 0.90 metadata: it is kept there as four numbers,
 * which mdadm prints as numbers and the kernel as the bytes of its memory (super_90_validate, least significant first).
 */
export function uuidOfOldMetadata(uuid: string): string {
  return withDashes(uuid.replaceAll('-', '').replace(/(..)(..)(..)(..)/g, '$4$3$2$1'))
}

function withDashes(digits: string): string {
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, '$1-$2-$3-$4-$5')
}
