import { WordTable } from '../word-table.ts'

/** Keys without sync state: recognised, never parsed (`ap-in-flight:18446744073709551608` has been recorded). */
const SKIPPED = [
  ...['role', 'write-ordering', 'congested', 'read', 'written', 'al-writes', 'bm-writes', 'upper-pending'],
  ...['lower-pending', 'al-suspended', 'blocked', 'open', 'pending', 'unacked', 'status', 'tls'],
  ...['established', 'rs-dt-start-ms', 'rs-paused-ms', 'rs-dt0-ms', 'rs-db0-sectors', 'rs-dt1-ms', 'rs-failed', 'want'],
  ...['rs-db1-sectors', 'rs-same-csum', 'dbdt', 'dbdt0', 'dbdt1', 'ov-start-sector', 'ov-stop-sector', 'ov-position'],
  ...['ov-left', 'ov-skipped'],
]

/** Keys that only DRBD 9 prints. Their values are not parsed. */
const NINE_ONLY = ['backing_dev', 'may_promote', 'promotion_score', 'ap-in-flight', 'rs-in-flight']

/** Keys of a path or a helper's path. In other lines a truncated `peer-disk` looks like one. */
const ADDRESSES = ['local', 'peer']

/** Keys whose values are parsed. */
const READ = [
  ...(['peer-node-id', 'conn-name', 'volume', 'minor', 'helper', 'new_name', 'sync-state'] as const),
  ...([
    'connection',
    'disk',
    'replication',
    'peer-disk',
    'resync-suspended',
    'suspended',
    'client',
    'peer-client',
    'force-io-failures',
  ] as const),
  ...(['quorum', 'out-of-sync', 'received', 'sent', 'size', 'rs-total', 'done', 'eta'] as const),
] as const

export type Events2Key = (typeof READ)[number] | 'skipped' | 'nine-only' | 'address'

/** Every known key of an events2 line. */
export const EVENTS2_KEYS = new WordTable<Events2Key>([
  ...SKIPPED.map((key): [string, Events2Key] => [key, 'skipped']),
  ...NINE_ONLY.map((key): [string, Events2Key] => [key, 'nine-only']),
  ...ADDRESSES.map((key): [string, Events2Key] => [key, 'address']),
  ...READ.map((key): [string, Events2Key] => [key, key]),
])
