import { PLUGIN_NAME, type PluginFunction } from '../agent-api/plugin-functions.ts'
import { encodeKnownPeers, KNOWN_PEERS_KEY } from '../allowed-operations/pool/known-peers.ts'
import { isGoingDown, type PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import type { Clock } from '../platform/time/clock.ts'
import type { GateDecision, PoolPort, PoolReading } from '../updater/pool-port.ts'
import type { XenApiClient } from '../xenapi-client/client.ts'
import { XenApiUnreachable } from '../xenapi-client/errors.ts'
import { setOtherConfig } from '../xenapi-client/other-config.ts'
import { watchPool } from '../xenapi-client/watch-pool.ts'
import { CallWatcher } from './follow/call-watcher.ts'
import { DECIDING_CLASSES, PoolCache } from './follow/pool-cache.ts'
import type { GuardEvent } from './guard-event.ts'
import { HoldLever } from './hold/hold-lever.ts'
import { type HoldStep, PLACE_AFTER_MS, planHold } from './hold/plan-hold.ts'
import { BlockAnnouncer } from './levers/block-announcer.ts'
import { type BlockCause, blockCause } from './levers/block-cause.ts'
import { BlockTask } from './levers/block-task.ts'
import { FieldCorrection } from './levers/field-correction.ts'
import { type GuardIdentity, HeartbeatWriter } from './levers/heartbeat-writer.ts'
import { PlugSentinel } from './levers/plug-sentinel.ts'
import { RESERVATION_KEY, reservationInForce } from './levers/reservation.ts'
import { pluggedSentinels, sentinels } from './levers/sentinel.ts'
import { UndoReboot } from './levers/undo-reboot.ts'

export interface StockPoolPortOptions {
  readonly client: XenApiClient
  readonly clock: Clock
  readonly guard: GuardIdentity
  /** Called for each event of the guard. Must not throw. */
  readonly onEvent: (event: GuardEvent) => void
  /** Keep a host that was rebooted disabled until all is in sync again. Default: no. */
  readonly holdReturningHosts?: boolean
  /** Restart the toolstack of a host whose reboot was accepted although another host of its SR goes down. Default: no. */
  readonly undoSecondReboot?: boolean
}

const REPORT: PluginFunction = 'report'
/** How long one event.from waits when nothing happens. */
const WAIT_SECONDS = 5
/** An answer may come this much later before the pool counts as not known. */
const LATE_MS = 10_000

/**
 * The updater's port to the pool of an unmodified xapi (DESIGN section 7). It follows the pool by event.from, and brings a decision into
 * effect with what stock xapi consults: the Task `SR Recovering` of a clustered, plugged SR.
 */
export class StockPoolPort implements PoolPort {
  readonly #options: StockPoolPortOptions
  readonly #cache = new PoolCache()
  readonly #task: BlockTask
  readonly #field: FieldCorrection
  readonly #announcer: BlockAnnouncer
  readonly #plug: PlugSentinel
  readonly #watcher: CallWatcher
  readonly #hold: HoldLever
  readonly #undo: UndoReboot
  readonly #heartbeats: HeartbeatWriter
  #cancelPlacing: () => void = () => undefined
  readonly #stop = new AbortController()
  readonly #subscribers = new Set<() => void>()
  readonly #firstReading = Promise.withResolvers<void>()
  #following: Promise<unknown> = Promise.resolve()
  #heardAtMs = Number.NEGATIVE_INFINITY
  /** Counts answers of event.from about hosts. */
  #answers = 0
  /** Counts sessions: in another one the toolstack may have an older database. */
  #run = 0
  #isLost = false

  constructor(options: StockPoolPortOptions) {
    const { client, clock, guard, onEvent } = options
    this.#options = options
    this.#field = new FieldCorrection({
      client,
      clock,
      hosts: () => this.#cache.snapshot(clock.now()).hosts,
      coordinator: () => this.#cache.coordinator(),
      isBlocked: () => this.#task.isPresent,
      look: () => this.#changed(),
      failed: error => onEvent({ code: 'guard-field-lags', why: String(error) }),
    })
    this.#task = new BlockTask({
      client,
      clock,
      tasks: () => this.#cache.tasks(),
      switched: () => this.#field.answerChanged(),
    })
    this.#announcer = new BlockAnnouncer(onEvent)
    this.#hold = new HoldLever({ client, onEvent })
    this.#undo = new UndoReboot(client, onEvent)
    this.#plug = new PlugSentinel({ client, clock, onEvent })
    this.#heartbeats = new HeartbeatWriter({ client, clock, guard, pool: () => this.#cache.pool() })
    this.#watcher = new CallWatcher({
      client,
      clock,
      suspects: () => this.#mayGo(),
      isBlocked: () => this.#announcer.isBlocking,
      version: () => this.#answers,
      read: (host, fields) => {
        if (this.#cache.applyCallFields(host, fields, clock.now())) this.#changed()
      },
    })
  }

  /** Follows the pool until `close`. @returns when everything has been read once */
  start(): Promise<void> {
    this.#following = Promise.all([
      this.#follow(DECIDING_CLASSES, () => undefined),
      this.#follow(['task'], labels => this.#watcher.callsBegan(labels)),
    ])
    return this.#firstReading.promise
  }

  async close(): Promise<void> {
    this.#stop.abort()
    this.#cancelPlacing()
    this.#field.close()
    await Promise.all([this.#following, this.#watcher.close(), this.#heartbeats.close()])
  }

  read(): PoolReading {
    const now = this.#options.clock.now()
    const ageMs = this.#options.clock.steadyNow() - this.#heardAtMs
    return {
      pool: this.#cache.snapshot(now),
      freshUntilMs: now - ageMs + WAIT_SECONDS * 1_000 + LATE_MS,
      run: this.#run,
    }
  }

  coordinator(): string {
    return this.#cache.coordinator()
  }

  subscribe(changed: () => void): () => void {
    this.#subscribers.add(changed)
    return () => this.#subscribers.delete(changed)
  }

  publish({ pool, srs, hosts: verdicts, atMs }: GateDecision): Promise<void> | undefined {
    const reservation = reservationInForce(this.#cache.poolConfig()[RESERVATION_KEY], atMs)
    const reservations = reservation === null ? [] : [reservation]
    const cause = blockCause({ pool, srs, verdicts, reservations })
    const plugged = pluggedSentinels(pool)
    this.#announcer.decided({
      cause,
      hasSentinel: sentinels(pool).length > 0,
      isPlugged: plugged.length > 0,
      isTaskPresent: this.#task.isPresent,
    })
    this.#plug.plugMissing(pool)
    this.#heartbeats.decided()
    const underWay = this.#task.want(cause !== null, cause === null ? sentinels(pool) : plugged)
    this.#announcer.acted(this.#task.isPresent)
    if (underWay === undefined) this.#field.correct(pool.hosts)
    if (this.#options.undoSecondReboot === true) {
      const goingSinceMs = this.#cache.goingSinceMs()
      this.#undo.run({ srs, goingSinceMs, coordinator: this.#cache.coordinator(), now: atMs })
    }
    if (this.#options.holdReturningHosts !== true) return underWay
    const steps = this.#holdSteps(pool, srs, cause)
    this.#hold.run(steps.filter(({ kind }) => kind !== 'release'))
    // The task goes first: who waits for the host reboots the next one as soon as this one is enabled.
    const release = () => this.#hold.run(steps.filter(({ kind }) => kind === 'release'))
    if (underWay !== undefined) return underWay.then(release)
    release()
    return undefined
  }

  #holdSteps(pool: PoolSnapshot, srs: GateDecision['srs'], cause: BlockCause | null): readonly HoldStep[] {
    const { clock } = this.#options
    const marked = this.#cache.holds()
    // An order is looked at again when it is old enough for a hold.
    this.#cancelPlacing()
    if (pool.hosts.some(host => isGoingDown(host) && !marked.has(host.ref))) {
      this.#cancelPlacing = clock.after(PLACE_AFTER_MS, () => this.#changed())
    }
    return planHold({
      hosts: pool.hosts,
      members: new Set(srs.flatMap(({ members }) => members.map(({ host }) => host.ref))),
      marked,
      goingSinceMs: this.#cache.goingSinceMs(),
      tasks: new Set(this.#cache.tasks().map(({ ref }) => ref)),
      cause,
      now: clock.now(),
    })
  }

  keepPeers(pbd: string, peers: readonly string[]): Promise<void> {
    return setOtherConfig(this.#options.client, 'PBD', pbd, KNOWN_PEERS_KEY, encodeKnownPeers(peers))
  }

  async pollReport(host: string, sr: string, signal: AbortSignal): Promise<string> {
    const uuid = this.#cache.snapshot(this.#options.clock.now()).srs.find(({ ref }) => ref === sr)?.uuid ?? ''
    const args = [host, PLUGIN_NAME, REPORT, { sr: uuid }]
    const answer = await this.#options.client.call('host.call_plugin', args, { signal })
    if (typeof answer !== 'string') throw new XenApiUnreachable('host.call_plugin did not answer with a text')
    return answer
  }

  async #follow(classes: readonly string[], begun: (labels: readonly string[]) => void): Promise<void> {
    const { client, clock } = this.#options
    const { signal } = this.#stop
    for await (const news of watchPool(client, classes, { clock, signal, waitSeconds: WAIT_SECONDS })) {
      if ('lost' in news) {
        this.#lost(news.lost)
        continue
      }
      const isDeciding = classes === DECIDING_CLASSES
      if (isDeciding) {
        this.#heardAtMs = clock.steadyNow()
        this.#answers += 1
      }
      if (news.everything && isDeciding) this.#run = client.logins
      const matters = this.#cache.apply(news, classes, clock.now())
      if (news.everything && isDeciding) this.#heartbeats.sessionChanged()
      if (!news.everything) begun(news.events.flatMap(({ operation, record }) => labelOfNew(operation, record)))
      if (isDeciding) this.#found()
      if (matters) this.#changed()
    }
  }

  #lost(why: string): void {
    if (this.#isLost) return
    this.#isLost = true
    this.#options.onEvent({ code: 'guard-lost', why })
  }

  #found(): void {
    this.#firstReading.resolve()
    if (this.#isLost) this.#options.onEvent({ code: 'guard-follows' })
    this.#isLost = false
  }

  #changed(): void {
    for (const changed of this.#subscribers) changed()
  }

  /** Refs of the disabled live hosts: only they can be rebooted. */
  #mayGo(): readonly string[] {
    const { hosts } = this.#cache.snapshot(this.#options.clock.now())
    return hosts.flatMap(({ ref, live, enabled }) => (live === true && !enabled ? [ref] : []))
  }
}

function labelOfNew(operation: string, record: Readonly<Record<string, unknown>> | null): string[] {
  return operation === 'add' ? [String(record?.name_label)] : []
}
