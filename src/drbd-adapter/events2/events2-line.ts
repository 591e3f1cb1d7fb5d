export type Events2Verb = 'exists' | 'create' | 'change' | 'destroy' | 'call' | 'response' | 'rename'

export type Events2Object = 'resource' | 'connection' | 'device' | 'peer-device' | 'path' | 'helper'

/** A `key:word` of which one part is not known. */
export interface OddKey {
  readonly key: string
  readonly word: string
  /**
   * What is odd: the `word` of a known key, or the key; a `state-key` says one of DRBD's state words, and may be one
   * that decides.
   */
  readonly place: 'word' | 'key' | 'state-key'
}

/** What one line says. `undefined` is "not in this line"; `null` is "said to be not known" (`eta:nan`). */
export class Events2Change {
  readonly kind = 'change'
  readonly atMicros: number | null
  readonly verb: Events2Verb
  /** A future DRBD may name objects that are not known. */
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
  /** Of the resource: `no`, or what its I/O is suspended by. */
  suspended: string | undefined = undefined
  forceIoFailures: string | undefined = undefined
  outOfSyncBytes: number | null | undefined = undefined
  /** Of the peer-device since its connection was made: resync and replicated writes together. */
  receivedBytes: number | null | undefined = undefined
  sentBytes: number | null | undefined = undefined
  done: number | null | undefined = undefined
  etaSeconds: number | null | undefined = undefined
  totalBytes: number | null | undefined = undefined
  helper: string | undefined = undefined
  /** The line has a key that only DRBD 9 prints. */
  speaksNine = false
  oddKeys: OddKey[] | undefined = undefined

  constructor(atMicros: number | null, verb: Events2Verb, object: Events2Object | 'unknown', resource: string) {
    this.atMicros = atMicros
    this.verb = verb
    this.object = object
    this.resource = resource
  }

  /** The line carries something that decides what state a mirror is in. */
  saysState(): boolean {
    const figures = [this.outOfSyncBytes, this.done, this.sizeBytes]
    return this.saysWord() || figures.some(said => said !== undefined)
  }

  /** The line carries a word of a known key that decides, not only figures. */
  saysWord(): boolean {
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
 * One line of `drbdsetup events2`. `atMicros` is when it was printed, in microseconds since 1970 (`null` without
 * `--timestamps`): lines of the same time belong to one event of the kernel, and between them its state is half told.
 */
export type Events2Line =
  | Events2Change
  /** `exists -`: the dump that began with the first `exists` is whole. */
  | { readonly kind: 'dump-end'; readonly atMicros: number | null }
  /**
   * `- skipped N` of drbdsetup before 9.28: the number of the next notification is N above the expected one. N is negative
   * for one that arrives late; the numbers of a group that only arrived out of order have the sum 0.
   */
  | { readonly kind: 'skipped'; readonly atMicros: number | null; readonly count: number }
  /** The line is lost. `resource` is the one that it names, `null` if it names none for certain. */
  | {
      readonly kind: 'garbled'
      readonly atMicros: null
      readonly why: 'bad-line' | 'line-too-long' | 'line-cut'
      readonly resource: string | null
      readonly text: string
    }
