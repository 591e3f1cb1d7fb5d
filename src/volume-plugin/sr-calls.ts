import { isDeepStrictEqual } from 'node:util'
import { messageOf } from '../platform/errors.ts'
import { KeyedSerialQueue } from '../platform/time/serial-queue.ts'
import type { SrStatus } from '../sync-query/sr-state/sr-fold.ts'
import type { Attachments } from './attachments.ts'
import { type PresentMirrors, proposeConfigurations } from './probe.ts'
import { backendFailure, SmapiError } from './smapi-error.ts'
import type { SmapiParams } from './smapi-params.ts'
import type { ProbeResult, SrStat } from './smapi-results.ts'
import { type FirstWords, parseSrConfiguration, parseUuid, UUID_KEY } from './sr-configuration.ts'
import { healthOf, type PoolSrState } from './sr-health.ts'
import type { SrStore, StoredSr } from './sr-store.ts'

/** What the calls must know of the host. */
export interface HostKnowledge {
  /** What the host says of an SR right now; `null`: it does not watch that SR. */
  status(sr: string): SrStatus | null
  presentMirrors(): PresentMirrors
  /** What the coordinator knows of an SR; `null` on every other host. */
  poolState(sr: string): PoolSrState | null
}

const URI_PREFIX = 'resync-monitor://'
/** In place of the UUID of an SR that only might be. */
const NOT_CREATED = ''

/**
 * The SR.* methods: an SR here holds no volumes, it stands for mirrors of the host.
 *
 * Invariants: calls about one SR take turns, for xapi-storage-script makes them concurrently; an answer is given only
 * when what it says is on disk; what is attached on disk is watched. The toolstack repeats what it got no answer to, so
 * doing anything twice is doing it once.
 */
export class SrCalls {
  readonly #store: SrStore
  readonly #attachments: Attachments
  readonly #host: HostKnowledge
  /** What an SR is called on a host that was told no name: whoever plugged it has left that out. */
  readonly #defaultName: string
  readonly #queues = new KeyedSerialQueue()

  constructor(store: SrStore, attachments: Attachments, host: HostKnowledge, defaultName: string) {
    this.#store = store
    this.#attachments = attachments
    this.#host = host
    this.#defaultName = defaultName
  }

  async probe(params: SmapiParams): Promise<readonly ProbeResult[]> {
    const asked = params.map('configuration')
    if (Object.keys(asked).length === 0) {
      // A damaged SR must not hide what else could be found: it is told when it is asked for by name.
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

  create(params: SmapiParams): Promise<Readonly<Record<string, string>>> {
    const uuid = parseUuid('uuid', params.text('uuid'))
    const name = params.text('name')
    const description = params.text('description')
    const given = params.map('configuration')
    const watch = parseSrConfiguration(uuid, given)
    const configuration = { ...given, name, description, [UUID_KEY]: uuid }
    return this.#queues.run(uuid, async () => {
      const before = await this.#store.read(uuid)
      if (before !== null && !isDeepStrictEqual(parseSrConfiguration(uuid, before.configuration), watch))
        throw backendFailure(`the SR ${uuid} exists already, with another configuration`)
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

  attach(params: SmapiParams): Promise<string> {
    const given = params.map('configuration')
    const { [UUID_KEY]: named } = given
    if (named === undefined) throw backendFailure(`configuration: ${UUID_KEY} is missing, which SR.create returned`)
    const uuid = parseUuid(UUID_KEY, named)
    const configuration = { ...given, [UUID_KEY]: uuid }
    parseSrConfiguration(uuid, configuration)
    return this.#queues.run(uuid, async () => {
      const known = await this.#store.read(uuid)
      const firstWords: FirstWords = given
      const { name = this.#defaultName, description = '' } = known ?? firstWords
      const record: StoredSr = { schema: 1, uuid, name, description, configuration, attached: true }
      await this.#store.write(record)
      this.#attachments.keep(record)
      return `${URI_PREFIX}${uuid}`
    })
  }

  /**
   * After SR.destroy comes SR.detach still, so an SR that is not there is detached. So is a damaged one, for one that can be
   * neither used nor unplugged would be there until somebody removes its file.
   */
  detach(params: SmapiParams): Promise<null> {
    const uuid = uuidOf(params)
    return this.#queues.run(uuid, async () => {
      const record = await this.#store.read(uuid).catch(() => 'damaged' as const)
      if (record === 'damaged') await this.#store.putAside(uuid)
      else if (record?.attached) await this.#store.write({ ...record, attached: false })
      this.#attachments.remove(uuid)
      return null
    })
  }

  /** A damaged SR can be destroyed too. */
  destroy(params: SmapiParams): Promise<null> {
    const uuid = uuidOf(params)
    return this.#queues.run(uuid, async () => {
      await this.#store.remove(uuid)
      this.#attachments.remove(uuid)
      return null
    })
  }

  stat(params: SmapiParams): Promise<SrStat> {
    const uuid = uuidOf(params)
    return this.#queues.run(uuid, async () => this.#statOf(await this.#attached(uuid)))
  }

  ls(params: SmapiParams): Promise<readonly []> {
    const uuid = uuidOf(params)
    return this.#queues.run(uuid, async () => {
      await this.#attached(uuid)
      return []
    })
  }

  setName(params: SmapiParams): Promise<null> {
    const name = params.text('new_name')
    return this.#change(uuidOf(params), record => ({ ...record, name }))
  }

  setDescription(params: SmapiParams): Promise<null> {
    const description = params.text('new_description')
    return this.#change(uuidOf(params), record => ({ ...record, description }))
  }

  /** The attached SRs, as the toolstack calls them. */
  uris(): readonly string[] {
    return this.#attachments.uuids().map(uuid => `${URI_PREFIX}${uuid}`)
  }

  /** One line for each attached SR, how it is, and one for each that cannot be read. */
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
    // Somebody may have corrected it by hand: what is told is to be told of that.
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

/** @throws SmapiError when `sr` is nothing that SR.attach has returned */
function uuidOf(params: SmapiParams): string {
  const uri = params.text('sr')
  if (!uri.startsWith(URI_PREFIX)) throw doesNotExist(uri)
  return parseUuid('sr', uri.slice(URI_PREFIX.length))
}

function doesNotExist(sr: string): SmapiError {
  return new SmapiError('SR_does_not_exist', [sr])
}
