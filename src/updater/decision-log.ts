import { type FileHandle, open, rename } from 'node:fs/promises'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { type AcceptedClaim, describeAccepted } from './accepted-claim.ts'
import { describeCause } from './change-cause.ts'
import { describeOrderEvent, type OrderEvent } from './order-event.ts'
import { describeOverrideEvent, type OverrideEvent } from './override-event.ts'
import { describeRefusedCall, type RefusedCallEvent } from './refused-calls.ts'
import type { OperationsChange } from './updater.ts'

export interface DecisionLogOptions {
  /** The file to append to; its folder must be there. The one before it is kept at `<path>.1`. */
  readonly path: string
  /** Told when lines could not be written. They are lost, and how many is said in the file once it can be written again. */
  readonly onError: (error: unknown) => void
  /** Milliseconds since 1970. Default Date.now. */
  readonly now?: () => number
  /** A file that would grow beyond it is put aside. Default 10 MiB. */
  readonly maxBytes?: number
}

const DEFAULT_MAX_BYTES = 10 * 1024 * 1024
/** How many causes, and how many reasons, a line holds at most: one event may change 64 hosts, with a line for each. */
const MAX_TOLD = 8
/** What waits for a slow disk at most, in UTF-16 units. */
const MAX_WAITING_LENGTH = 4 * 1024 * 1024

/**
 * One line of JSON for every change of `host.allowed_operations`: when, which host, what left and returned, which inputs
 * caused it and what still blocks; one for every override that is set, removed, used or over; one for whatever becomes of an
 * order to a host; and one for each refused call. A line `updater-started` stands where a run of the program begins.
 *
 * Invariants: lines stand in the order in which the changes were; what is not written is counted, also when it comes after
 * `close`; a disk that is slow, full or away never holds up the gate, and costs bounded memory; a line that was cut by a full
 * disk or a crash spoils no other.
 */
export class DecisionLog {
  readonly #options: DecisionLogOptions
  readonly #now: () => number
  #waiting: string[] = []
  #waitingLength = 0
  /** Lines that could not be written, in front of those that wait. */
  #lostBefore = 0
  /** Lines behind those that wait, which found no room or came too late. */
  #lostBehind = 0
  #writing: Promise<void> | null = null
  #closed = false

  constructor(options: DecisionLogOptions) {
    this.#options = options
    this.#now = options.now ?? Date.now
    this.#add({ at: isoTime(this.#now()), event: 'updater-started' })
  }

  /** Adds the line of one change. */
  record({ at, host, pool, left, returned, allowed, causes, verdicts }: OperationsChange): void {
    this.#add({
      at: isoTime(at),
      event: 'operations-changed',
      host,
      hostName: hostName(host, pool),
      left,
      returned,
      allowed,
      causes: causes.slice(0, MAX_TOLD).map(cause => ({ ...cause, text: describeCause(cause, pool) })),
      causesOmitted: Math.max(0, causes.length - MAX_TOLD),
      ...told(verdicts.reboot.reasons, pool),
    })
  }

  /** Adds the line of an operation that was accepted. @param knownWithinMs how old a change may be that is not known */
  recordAccepted(claim: AcceptedClaim, knownWithinMs: number): void {
    const { at, host, pool, operation, task, srs, oldest } = claim
    this.#add({
      at: isoTime(at),
      event: 'operation-accepted',
      host,
      hostName: hostName(host, pool),
      operation,
      task,
      knownWithinSeconds: knownWithinMs / 1000,
      srs,
      oldestReport: oldest,
      text: describeAccepted(claim, knownWithinMs),
    })
  }

  /** Adds the line of an override that was set, removed, used or is over. */
  recordOverride(event: OverrideEvent): void {
    const { code, at, host, pool, override } = event
    this.#add({
      at: isoTime(at),
      event: code,
      host,
      hostName: hostName(host, pool),
      by: override.by ?? null,
      reason: override.reason,
      expiresAt: isoTime(override.expiresMs),
      text: describeOverrideEvent(event),
      ...(event.code === 'override-used' ? { operation: event.operation, ...told(event.reasons, pool) } : {}),
    })
  }

  /** Adds the line of what became of an order to a host. */
  recordOrder(event: OrderEvent): void {
    const { code, at, host, pool, how } = event
    this.#add({
      at: isoTime(at),
      event: code,
      host,
      hostName: hostName(host, pool),
      operation: how,
      text: describeOrderEvent(event),
      ...('statement' in event ? { statement: event.statement } : {}),
      ...('by' in event ? { by: event.by } : {}),
      ...('error' in event ? { error: event.error, ...told(event.reasons, pool) } : {}),
    })
  }

  /** Adds the line of a call that was refused, or of several that are alike. */
  recordRefusal(event: RefusedCallEvent): void {
    const { at, pool, method, host, user, error, reasons, count } = event
    this.#add({
      at: isoTime(at),
      event: 'call-refused',
      method,
      host,
      hostName: host === null ? null : hostName(host, pool),
      user,
      error,
      count,
      text: describeRefusedCall(event),
      ...told(reasons, pool),
    })
  }

  /** Resolves when everything that could be written is written. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#writing
  }

  #add(entry: object): void {
    const line = `${JSON.stringify(entry)}\n`
    if (this.#closed || this.#waitingLength + line.length > MAX_WAITING_LENGTH) this.#lostBehind += 1
    else {
      this.#waiting.push(line)
      this.#waitingLength += line.length
    }
    this.#writing ??= this.#writeAll()
  }

  async #writeAll(): Promise<void> {
    while (this.#waiting.length > 0 || this.#lostBehind > 0) {
      const lines = this.#waiting
      const lostBehind = this.#lostBehind
      this.#waiting = []
      this.#waitingLength = 0
      this.#lostBehind = 0
      const front = this.#lossLine(this.#lostBefore)
      const behind = this.#lossLine(lostBehind)
      const { written, error } = await this.#append([...front, ...lines, ...behind])
      if (written >= front.length) this.#lostBefore = 0
      if (error === null) continue
      // Those behind are in the file if their line is, which is the last one: then there is no error.
      this.#lostBefore += lines.length - Math.max(0, written - front.length) + lostBehind
      this.#options.onError(error)
    }
    this.#writing = null
  }

  #lossLine(count: number): string[] {
    return count === 0 ? [] : [`${JSON.stringify({ at: isoTime(this.#now()), event: 'lines-lost', count })}\n`]
  }

  /**
   * Opens the file anew each time: somebody may have moved it away. A full disk may take some of the lines.
   * @returns how many of them are whole in a file, and what kept the rest from it
   */
  async #append(lines: readonly string[]): Promise<{ readonly written: number; readonly error: unknown }> {
    let written = 0
    try {
      while (written < lines.length) {
        const { count, error } = await this.#appendToOne(lines.slice(written))
        written += count
        if (error !== null) return { written, error }
      }
      return { written, error: null }
    } catch (error) {
      return { written, error }
    }
  }

  /** Appends as many of the lines as the file has room for. One that has no room for the first is put aside. */
  async #appendToOne(lines: readonly string[]): Promise<{ readonly count: number; readonly error: unknown }> {
    const { path, maxBytes = DEFAULT_MAX_BYTES } = this.#options
    const [first = ''] = lines
    let file = await openForAppending(path)
    try {
      const { size } = await file.stat()
      if (size > 0 && size + Buffer.byteLength(first) > maxBytes) {
        await file.close()
        await rename(path, `${path}.1`)
        file = await openForAppending(path)
      }
      return await appendWhole(file, lines, maxBytes)
    } finally {
      await file.close()
    }
  }
}

/** @returns how many lines are whole in the file */
async function appendWhole(
  file: FileHandle,
  lines: readonly string[],
  maxBytes: number,
): Promise<{ readonly count: number; readonly error: unknown }> {
  const { size: before } = await file.stat()
  const mend = (await endsInsideLine(file, before)) ? '\n' : ''
  /** Where each line ends, if all that is before it is written. */
  const ends: number[] = []
  let end = before + mend.length
  for (const line of lines) {
    end += Buffer.byteLength(line)
    if (ends.length > 0 && end > maxBytes) break
    ends.push(end)
  }
  try {
    await file.appendFile(mend + lines.slice(0, ends.length).join(''))
    return { count: ends.length, error: null }
  } catch (error) {
    const { size } = await file.stat()
    return { count: ends.filter(each => each <= size).length, error }
  }
}

function told(reasons: readonly GateReason[], pool: PoolSnapshot) {
  return {
    reasons: reasons
      .slice(0, MAX_TOLD)
      .map(reason => ({ code: reason.code, host: reason.host, sr: reason.sr, text: describeGate(reason, pool) })),
    reasonsOmitted: Math.max(0, reasons.length - MAX_TOLD),
  }
}

function openForAppending(path: string): Promise<FileHandle> {
  return open(path, 'a+', 0o640)
}

/** A run that ended in the middle of a line, or a disk that was full. */
async function endsInsideLine(file: FileHandle, size: number): Promise<boolean> {
  if (size === 0) return false
  const { buffer } = await file.read(Buffer.alloc(1), 0, 1, size - 1)
  return buffer.toString() !== '\n'
}

function isoTime(milliseconds: number): string {
  return new Date(milliseconds).toISOString()
}
