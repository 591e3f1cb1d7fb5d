import { WordTable } from '../drbd-words.ts'

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

export type Events2Verb = 'exists' | 'create' | 'change' | 'destroy' | 'call' | 'response' | 'rename'

export type Events2Object = 'resource' | 'connection' | 'device' | 'peer-device' | 'path' | 'helper'

/** A `key:word` whose key or word is unknown. */
export interface OddKey {
  readonly key: string
  readonly word: string
  /**
   * The unknown part: the `word` of a known key, or the `key`. A `state-key` is an unknown key with one of DRBD's state words; it
   * may decide the state.
   */
  readonly place: 'word' | 'key' | 'state-key'
}

/** The content of one line. `undefined`: not in this line. `null`: the line has it as not known (`eta:nan`). */
export class Events2Change {
  readonly kind = 'change'
  readonly atMicros: number | null
  readonly verb: Events2Verb
  /** `unknown`: an object type of a later DRBD. */
  readonly object: Events2Object | 'unknown'
  readonly resource: string
  newName: string | undefined = undefined
  peerNodeId: string | undefined = undefined
  connName: string | undefined = undefined
  volume: string | undefined = undefined
  minor: string | undefined = undefined
  connection: string | undefined = undefined
  syncState: string | undefined = undefined
  disk: string | undefined = undefined
  client: string | undefined = undefined
  quorum: string | undefined = undefined
  sizeBytes: number | null | undefined = undefined
  replication: string | undefined = undefined
  peerDisk: string | undefined = undefined
  peerClient: string | undefined = undefined
  resyncSuspended: string | undefined = undefined
  /** Of the resource: `no`, or what suspends its I/O. */
  suspended: string | undefined = undefined
  forceIoFailures: string | undefined = undefined
  outOfSyncBytes: number | null | undefined = undefined
  /** Of the peer-device since it connected: resync and replicated writes together. */
  receivedBytes: number | null | undefined = undefined
  sentBytes: number | null | undefined = undefined
  done: number | null | undefined = undefined
  etaSeconds: number | null | undefined = undefined
  totalBytes: number | null | undefined = undefined
  helper: string | undefined = undefined
  /** The line has a key that only DRBD 9 prints. */
  isDrbd9 = false
  oddKeys: OddKey[] | undefined = undefined

  constructor(atMicros: number | null, verb: Events2Verb, object: Events2Object | 'unknown', resource: string) {
    this.atMicros = atMicros
    this.verb = verb
    this.object = object
    this.resource = resource
  }

  /** The line has a word or an amount that decides the state of a mirror. */
  hasState(): boolean {
    const amounts = [this.outOfSyncBytes, this.done, this.sizeBytes]
    return this.hasStateWord() || amounts.some(each => each !== undefined)
  }

  /** The line has a word that decides the state, not only statistics. */
  hasStateWord(): boolean {
    return (
      this.connection !== undefined ||
      this.replication !== undefined ||
      this.disk !== undefined ||
      this.peerDisk !== undefined ||
      this.resyncSuspended !== undefined ||
      this.quorum !== undefined ||
      this.client !== undefined ||
      this.peerClient !== undefined
    )
  }
}

/**
 * One line of `drbdsetup events2`. `atMicros` is when it was printed, in microseconds of Unix time (`null` without `--timestamps`).
 * Lines of equal time belong to one kernel event; between them the state is incomplete.
 */
export type Events2Line =
  | Events2Change
  /** `exists -`: the dump that began with the first `exists` is complete. */
  | { readonly kind: 'dump-end'; readonly atMicros: number | null }
  /**
   * `- skipped N` of drbdsetup before 9.28: the number of the next notification is N above the expected one. N is negative for a
   * late notification. The sum of N is 0 for a group that only arrived out of order.
   */
  | { readonly kind: 'skipped'; readonly atMicros: number | null; readonly count: number }
  /** The line cannot be read. `resource` is the resource that it names; `null`: the name is not certain. */
  | {
      readonly kind: 'garbled'
      readonly atMicros: null
      readonly why: 'bad-line' | 'line-too-long' | 'line-cut'
      readonly resource: string | null
      readonly text: string
    }
