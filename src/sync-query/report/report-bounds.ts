import { MAX_TEXT_LENGTH } from '../../platform/json/json-node.ts'

/**
 * The limits of a report. `report-encode.ts` writes nothing beyond them, and `report-parse.ts` accepts everything within them.
 */
export const REPORT_BOUNDS = {
  /** Bytes of UTF-8 in `PBD.other_config`: the pool's database is replicated as a whole. */
  storedBytes: 4096,
  /** Bytes of UTF-8 of the answer to a poll, with its mirror list. */
  answerBytes: 65_536,
  reasons: 1024,
  listEntries: 4096,
  /** For each mirror: an md array has up to 384 members, DRBD 32 peers. */
  replicas: 1024,
  /** UTF-16 units of a name, a value or another text. */
  textLength: MAX_TEXT_LENGTH,
  /** DRBD's ETA for "not known" is 987654321 (drbdsetup.c): no estimate may reach it. */
  etaSeconds: 987_654_320,
  bytes: Number.MAX_VALUE,
} as const
