import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { KeyedSerialQueue } from '../platform/time/serial-queue.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Attachments } from './attachments.ts'
import { type PresentMirrors, proposeConfigurations } from './probe.ts'
import { backendFailure, SmapiError } from './smapi-error.ts'
import type { ProbeResult, SmapiParams, SrStat } from './smapi-methods.ts'
import { type CreatedNames, parseSrConfiguration, parseUuid, UUID_KEY } from './sr-configuration.ts'
import { healthOf, type PoolSrState } from './sr-health.ts'
import type { SrStore, StoredSr } from './sr-store.ts'

/** What the calls need to know about the host. */
export interface HostKnowledge {
  /** The status of an SR on this host; `null`: the host does not watch that SR. */
  status(sr: string): SrStatus | null
  presentMirrors(): PresentMirrors
  /** The state of an SR in the whole pool; `null` on a host that is not the coordinator. */
  poolState(sr: string): PoolSrState | null
}

const URI_PREFIX = 'resync-monitor://'
/** The UUID of an SR that does not exist yet. */
const NOT_CREATED = ''

/**
 * The SR.* methods. An SR of this type holds no volumes: it stands for mirrors of the host.
 *
 * Invariants: calls about one SR run one after the other, because xapi-storage-script makes them concurrently. A call returns when its
 * effect is on disk. Every SR that is attached on disk is watched. Every call can be repeated: the toolstack repeats calls that got
 * no answer.
 */
export class SrCalls {
  readonly #store: SrStore
  readonly #attachments: Attachments
  readonly #host: HostKnowledge
  /** The name of an SR whose configuration has none: a client may create a PBD without it. */
  readonly #defaultName: string
  readonly #queues = new KeyedSerialQueue()

  constructor(store: SrStore, attachments: Attachments, host: HostKnowledge, defaultName: string) {
    this.#store = store
    this.#attachments = attachments
    this.#host = host
    this.#defaultName = defaultName
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
    return this.#queues.run(uuid, async () => {
      const known = await this.#store.read(uuid)
      const created: CreatedNames = given
      const { name = this.#defaultName, description = '' } = known ?? created
      const record: StoredSr = { schema: 1, uuid, name, description, configuration, attached: true }
      await this.#store.write(record)
      this.#attachments.keep(record)
      return `${URI_PREFIX}${uuid}`
    })
  }

  /**
   * The toolstack calls SR.detach after SR.destroy as well, so detaching an SR that does not exist succeeds. Detaching a damaged SR
   * succeeds too: an SR that can neither be used nor unplugged would stay until an operator removes its file.
   */
  detach({ sr }: SmapiParams<'SR.detach'>): Promise<null> {
    const uuid = uuidOf(sr)
    return this.#queues.run(uuid, async () => {
      const record = await this.#store.read(uuid).catch(() => 'damaged' as const)
      if (record === 'damaged') await this.#store.putAside(uuid)
      else if (record?.attached) await this.#store.write({ ...record, attached: false })
      this.#attachments.remove(uuid)
      return null
    })
  }

  /** A damaged SR can be destroyed too. */
  destroy({ sr }: SmapiParams<'SR.destroy'>): Promise<null> {
    const uuid = uuidOf(sr)
    return this.#queues.run(uuid, async () => {
      await this.#store.remove(uuid)
      this.#attachments.remove(uuid)
      return null
    })
  }

  stat({ sr }: SmapiParams<'SR.stat'>): Promise<SrStat> {
    const uuid = uuidOf(sr)
    return this.#queues.run(uuid, async () => this.#statOf(await this.#attached(uuid)))
  }

  ls({ sr }: SmapiParams<'SR.ls'>): Promise<readonly []> {
    const uuid = uuidOf(sr)
    return this.#queues.run(uuid, async () => {
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
    return this.#attachments.uuids().map(uuid => `${URI_PREFIX}${uuid}`)
  }

  /** One line with the state of each attached SR, and one for each SR whose file cannot be read. */
  async diagnostics(): Promise<string> {
    const unreadable = await Promise.all((await this.#store.uuids()).map(uuid => this.#whyUnreadable(uuid)))
    const attached = this.#attachments.uuids().map(uuid => {
      const [tag, text] = this.#healthOf(uuid)
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
    return this.#queues.run(uuid, async () => {
      const record = await this.#store.read(uuid)
      if (record === null) throw doesNotExist(uuid)
      await this.#store.write(change(record))
      return null
    })
  }

  async #attached(uuid: string): Promise<StoredSr> {
    const record = await this.#store.read(uuid)
    if (record === null) throw doesNotExist(uuid)
    if (!record.attached) throw new SmapiError('Sr_not_attached', [uuid])
    // An operator may have edited the file: the agent watches its present content.
    this.#attachments.keep(record)
    return record
  }

  async #probeKnown(uuid: string): Promise<ProbeResult | null> {
    const record = await this.#queues.run(uuid, () => this.#store.read(uuid))
    if (record === null) return null
    const sr = this.#statOf(record)
    return { configuration: record.configuration, complete: true, sr, extra_info: { what: `the SR ${record.name}` } }
  }

  #statOf({ uuid, name, description }: StoredSr): SrStat {
    return {
      sr: `${URI_PREFIX}${uuid}`,
      name,
      uuid,
      description,
      total_space: 0,
      free_space: 0,
      datasources: [],
      clustered: true,
      health: this.#healthOf(uuid),
    }
  }

  #healthOf(uuid: string): SrStat['health'] {
    return healthOf(this.#host.status(uuid), this.#host.poolState(uuid))
  }
}

/** The UUID in a URI that SR.attach returned. @throws SmapiError for any other text */
function uuidOf(uri: string): string {
  if (!uri.startsWith(URI_PREFIX)) throw doesNotExist(uri)
  return parseUuid('sr', uri.slice(URI_PREFIX.length))
}

function doesNotExist(sr: string): SmapiError {
  return new SmapiError('SR_does_not_exist', [sr])
}
