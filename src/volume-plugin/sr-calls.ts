import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import type { Clock } from '../platform/time/clock.ts'
import { KeyedSerialQueue } from '../platform/time/serial-queue.ts'
import type { Attachments } from './attachments.ts'
import { type PresentMirrors, proposeConfigurations } from './probe.ts'
import { backendFailure, SmapiError } from './smapi-error.ts'
import type { ProbeResult, SmapiParams, SrStat } from './smapi-methods.ts'
import { type CreatedNames, parseSrConfiguration, parseUuid, UUID_KEY } from './sr-configuration.ts'
import { type SrStatuses, srHealth, statOf, statWith } from './sr-stat.ts'
import type { SrStore, StoredSr } from './sr-store.ts'
import { doesNotExist, uriOf, uuidIn, uuidOf } from './sr-uri.ts'

/** What the calls need to know about the host. */
export interface HostKnowledge extends SrStatuses {
  presentMirrors(): PresentMirrors
}

export interface SrCallsOptions {
  readonly store: SrStore
  readonly attachments: Attachments
  readonly host: HostKnowledge
  /** The name of an SR whose configuration has none: a client may create a PBD without it. */
  readonly defaultName: string
  readonly clock: Pick<Clock, 'now'>
  /** Receives a sentence for the operator. */
  readonly onProblem: (text: string) => void
}

/** The UUID of an SR that does not exist yet. */
const NOT_CREATED = ''

/**
 * The SR.* methods. An SR of this type holds no volumes: it stands for mirrors of the host.
 *
 * Invariants: calls about one SR run one after the other, because xapi-storage-script makes them concurrently. A call returns when its
 * effect is on disk. Every SR that is attached on disk is watched. Every call can be repeated: the toolstack repeats calls that got
 * no answer. SR.stat of an attached SR and SR.detach never fail: an exception of SR.stat ends xapi's health check and leaves its block
 * (xapi_sr_operations.ml:330-352), and an SR whose SR.detach fails cannot be unplugged.
 */
export class SrCalls {
  readonly #store: SrStore
  readonly #attachments: Attachments
  readonly #host: HostKnowledge
  readonly #defaultName: string
  readonly #clock: Pick<Clock, 'now'>
  readonly #onProblem: (text: string) => void
  readonly #queues = new KeyedSerialQueue()
  /** SRs that are detached, but could not be written so. */
  readonly #unwritten = new Set<string>()
  #settling: Promise<void> | null = null

  constructor({ store, attachments, host, defaultName, clock, onProblem }: SrCallsOptions) {
    this.#store = store
    this.#attachments = attachments
    this.#host = host
    this.#defaultName = defaultName
    this.#clock = clock
    this.#onProblem = onProblem
  }

  /** Carries out what was detached while this program could not be reached, or while the disk refused it. Never rejects. */
  settle(): Promise<void> {
    this.#settling ??= this.#settleAll().finally(() => {
      this.#settling = null
    })
    return this.#settling
  }

  /** Stops to watch SRs that were detached, as soon as nothing is left to report about them. */
  expire(): void {
    this.#attachments.expire(uuid => this.#host.status(uuid)?.state === 'synced', this.#clock.now())
  }

  async probe({ configuration: asked }: SmapiParams<'SR.probe'>): Promise<readonly ProbeResult[]> {
    if (Object.keys(asked).length === 0) {
      // A damaged SR must not hide the others. A probe for that SR raises its error.
      const uuids = await this.#store.uuids()
      const known = await Promise.all(uuids.map(uuid => this.#probeKnown(uuid).catch(() => null)))
      return [...known.filter(result => result !== null), ...proposeConfigurations(this.#host.presentMirrors())]
    }
    const { [UUID_KEY]: named } = asked
    if (named !== undefined) {
      const known = await this.#probeKnown(parseUuid(UUID_KEY, named))
      return known === null ? [] : [known]
    }
    parseSrConfiguration(NOT_CREATED, asked)
    return [{ configuration: asked, complete: true, extra_info: {} }]
  }

  create(params: SmapiParams<'SR.create'>): Promise<Readonly<Record<string, string>>> {
    const { name, description, configuration: given } = params
    const uuid = parseUuid('uuid', params.uuid)
    const watch = parseSrConfiguration(uuid, given)
    const configuration = { ...given, name, description, [UUID_KEY]: uuid }
    return this.#queues.run(uuid, async () => {
      const before = await this.#store.read(uuid)
      if (before !== null && !isDeepStrictEqual(parseSrConfiguration(uuid, before.configuration), watch))
        throw backendFailure(`the SR ${uuid} already exists with another configuration`)
      await this.#store.write({
        schema: 1,
        uuid,
        name,
        description,
        configuration,
        attached: before?.attached ?? false,
      })
      return configuration
    })
  }

  attach({ configuration: given }: SmapiParams<'SR.attach'>): Promise<string> {
    const { [UUID_KEY]: named } = given
    if (named === undefined) throw backendFailure(`configuration: ${UUID_KEY} is missing; SR.create returns it`)
    const uuid = parseUuid(UUID_KEY, named)
    const configuration = { ...given, [UUID_KEY]: uuid }
    parseSrConfiguration(uuid, configuration)
    return this.#run(uuid, async () => {
      const known = await this.#store.read(uuid)
      const created: CreatedNames = given
      const { name = this.#defaultName, description = '' } = known ?? created
      const record: StoredSr = { schema: 1, uuid, name, description, configuration, attached: true }
      await this.#store.write(record)
      this.#unwritten.delete(uuid)
      this.#attachments.keep(record)
      return uriOf(uuid)
    })
  }

  /**
   * The toolstack calls SR.detach after SR.destroy as well, so detaching an SR that does not exist succeeds. Detaching a damaged SR
   * succeeds too: an SR that can neither be used nor unplugged would stay until an operator removes its file.
   */
  async detach({ sr }: SmapiParams<'SR.detach'>): Promise<null> {
    const uuid = uuidIn(sr)
    if (uuid !== null) await this.#queues.run(uuid, () => this.#detach(uuid))
    return null
  }

  /** A damaged SR can be destroyed too. */
  destroy({ sr }: SmapiParams<'SR.destroy'>): Promise<null> {
    const uuid = uuidOf(sr)
    return this.#queues.run(uuid, async () => {
      await this.#store.remove(uuid)
      this.#unwritten.delete(uuid)
      this.#attachments.remove(uuid)
      return null
    })
  }

  stat({ sr }: SmapiParams<'SR.stat'>): Promise<SrStat> {
    const uuid = uuidOf(sr)
    return this.#run(uuid, () => this.#statOfAttached(uuid))
  }

  ls({ sr }: SmapiParams<'SR.ls'>): Promise<readonly []> {
    const uuid = uuidOf(sr)
    return this.#run(uuid, async () => {
      await this.#attached(uuid)
      return []
    })
  }

  setName({ sr, new_name: name }: SmapiParams<'SR.set_name'>): Promise<null> {
    return this.#change(uuidOf(sr), record => ({ ...record, name }))
  }

  setDescription({ sr, new_description: description }: SmapiParams<'SR.set_description'>): Promise<null> {
    return this.#change(uuidOf(sr), record => ({ ...record, description }))
  }

  /** The URIs of the attached SRs. */
  uris(): readonly string[] {
    return this.#attachments.uuids().map(uriOf)
  }

  /** One line with the state of each attached SR, and one for each SR whose file cannot be read. */
  async diagnostics(): Promise<string> {
    const unreadable = await Promise.all((await this.#store.uuids()).map(uuid => this.#whyUnreadable(uuid)))
    const attached = this.#attachments.uuids().map(uuid => {
      const [tag, text] = srHealth(uuid, this.#attachments.attached(uuid)?.configuration ?? {}, this.#host)
      return `${uuid}: ${text === '' ? tag : text}\n`
    })
    return [...(attached.length === 0 ? ['no SR is attached\n'] : attached), ...unreadable].join('')
  }

  #whyUnreadable(uuid: string): Promise<string> {
    return this.#queues
      .run(uuid, () => this.#store.read(uuid))
      .then(
        () => '',
        (error: unknown) => `${uuid}: ${messageOf(error)}\n`,
      )
  }

  #change(uuid: string, change: (record: StoredSr) => StoredSr): Promise<null> {
    return this.#run(uuid, async () => {
      const record = await this.#store.read(uuid)
      if (record === null) throw doesNotExist(uuid)
      await this.#store.write(change(record))
      return null
    })
  }

  async #settleAll(): Promise<void> {
    const left = await this.#store.leftDetached().catch(() => [])
    const uuids = new Set([...left, ...this.#unwritten])
    await Promise.all(Array.from(uuids, uuid => this.#run(uuid, async () => undefined)))
  }

  /** Makes a call about an SR, after what was not carried out yet. */
  #run<Result>(uuid: string, call: () => Promise<Result>): Promise<Result> {
    return this.#queues.run(uuid, async () => {
      if (this.#unwritten.has(uuid) || (await this.#store.isLeftDetached(uuid))) await this.#detach(uuid)
      return call()
    })
  }

  /** Never rejects. What cannot be written is tried again. */
  async #detach(uuid: string): Promise<void> {
    try {
      const record = await this.#store.read(uuid).catch(() => 'damaged' as const)
      if (record === 'damaged' || record === null) {
        this.#attachments.remove(uuid)
        if (record === 'damaged') await this.#store.putAside(uuid)
      } else if (record.attached) {
        const detached: StoredSr = { ...record, attached: false, detachedAt: this.#clock.now() }
        if (this.#host.status(uuid)?.state === 'synced') this.#attachments.remove(uuid)
        else this.#attachments.keep(detached)
        await this.#store.write(detached)
      }
      await this.#store.clearLeftDetached(uuid)
      this.#unwritten.delete(uuid)
    } catch (error) {
      if (!this.#unwritten.has(uuid)) this.#onProblem(`SR ${uuid} is detached, but ${messageOf(error)}`)
      this.#unwritten.add(uuid)
    }
  }

  async #attached(uuid: string): Promise<StoredSr> {
    const record = await this.#store.read(uuid)
    if (record === null) throw doesNotExist(uuid)
    if (!record.attached) throw new SmapiError('Sr_not_attached', [uuid])
    // An operator may have edited the file: the agent watches its present content.
    this.#attachments.keep(record)
    return record
  }

  /** If the file of an attached SR is damaged or gone, the last known record is used. */
  async #statOfAttached(uuid: string): Promise<SrStat> {
    const known = this.#attachments.attached(uuid)
    try {
      return statOf(await this.#attached(uuid), this.#host)
    } catch (error) {
      if (!(error instanceof SmapiError) || error.code === 'Sr_not_attached') throw error
      const isGone = error.code === 'SR_does_not_exist'
      if (isGone && known === null) throw error
      const { name, description } = known ?? { name: this.#defaultName, description: '' }
      const why = isGone ? 'its file is gone; unplug the SR and plug it again' : error.message
      return statWith({ uuid, name, description }, ['Recovering', `unknown: ${why}`])
    }
  }

  async #probeKnown(uuid: string): Promise<ProbeResult | null> {
    const record = await this.#queues.run(uuid, () => this.#store.read(uuid))
    if (record === null) return null
    const sr = statOf(record, this.#host)
    return { configuration: record.configuration, complete: true, sr, extra_info: { what: `the SR ${record.name}` } }
  }
}
