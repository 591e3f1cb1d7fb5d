import fc from 'fast-check'
import t from 'tap'
import { SYNC_STATES, type SyncState } from '../../src/sync-query/state.ts'
import { START_MS, settle } from '../platform/time/virtual-clock.ts'
import { LEASE_MS, POLL_EVERY_MS, POLL_TIMEOUT_MS, type WatchedPool, watchedPool } from './watched-pool.ts'

const HOSTS = [0, 1, 2] as const

/** How an agent answers polls. Only an agent that answers also pushes. */
type Mood = 'answers' | 'answers-late' | 'fails' | 'hangs'

type Step =
  | { readonly kind: 'turns'; readonly host: number; readonly state: SyncState; readonly isPushed: boolean }
  | { readonly kind: 'agent'; readonly host: number; readonly mood: Mood }
  | { readonly kind: 'override'; readonly host: number; readonly durationMs: number }
  | { readonly kind: 'wait'; readonly durationMs: number }
  | {
      readonly kind: (typeof comings)[number]
      readonly host: number
    }
  | { readonly kind: 'late-answers' | 'restart' | 'coordinator' }

const host = fc.constantFrom(...HOSTS)
const state = fc.constantFrom<SyncState>('synced', 'synced', 'synced', ...SYNC_STATES)
const mood = fc.constantFrom<Mood>('answers', 'answers', 'answers-late', 'fails', 'hangs')
/** Often short, so that leases do not decide everything. */
const durationMs = fc.oneof(
  { weight: 3, arbitrary: fc.integer({ min: 1, max: 5_000 }) },
  { weight: 1, arbitrary: fc.integer({ min: 1, max: 2 * LEASE_MS }) },
)
const comings = ['reboot', 'leaves', 'returns', 'returns', 'connect', 'disconnect', 'reconnect', 'no-override'] as const
const steps: fc.Arbitrary<Step> = fc.oneof(
  { weight: 8, arbitrary: fc.record({ kind: fc.constant('turns'), host, state, isPushed: fc.boolean() }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('agent'), host, mood }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant('override'), host, durationMs }) },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant('wait'), durationMs }) },
  { weight: 8, arbitrary: fc.record({ kind: fc.constantFrom(...comings), host }) },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constantFrom('late-answers', 'late-answers', 'restart', 'coordinator') }),
  },
)

/** The last report that the updater received since it began and since the host last returned. */
interface Received {
  readonly state: SyncState
  readonly seq: number
  readonly confirmedAtMs: number
}

/** The real state of a host, and what the updater has received of it. */
interface Truth {
  state: SyncState
  mood: Mood
  boot: number
  live: boolean
  leaving: boolean
  connected: boolean
  received: Received | null
  overriddenUntilMs: number
}

interface LateAnswer {
  readonly signal: AbortSignal
  arrive(): void
}

/** A pool beside an independent model of what the updater may know, written without any code of the gate. */
class World {
  readonly pool: WatchedPool
  readonly #truths: readonly Truth[]
  #late: LateAnswer[] = []
  #seq = 0

  private constructor(pool: WatchedPool, truths: readonly Truth[]) {
    this.pool = pool
    this.#truths = truths
  }

  static async create(ends: (() => Promise<void>)[]): Promise<World> {
    const truths = HOSTS.map(
      (): Truth => ({
        state: 'synced',
        mood: 'answers',
        boot: 1,
        live: true,
        leaving: false,
        connected: true,
        received: null,
        overriddenUntilMs: Number.NEGATIVE_INFINITY,
      }),
    )
    const tap = { teardown: (end: () => Promise<void>) => void ends.push(end) }
    let world: World | null = null
    const answer = (index: number, signal: AbortSignal) =>
      world === null ? Promise.reject(new Error('too early')) : world.#answer(index, signal)
    world = new World(await watchedPool(tap, { answer }), truths)
    world.pool.updater().start()
    await settle()
    return world
  }

  async take(step: Step): Promise<void> {
    const { pool } = this
    switch (step.kind) {
      case 'turns':
        await this.#turn(step.host, step.state, step.isPushed)
        break
      case 'agent':
        this.#of(step.host).mood = step.mood
        break
      case 'override':
        await pool.removeOverride(step.host)
        await pool.setOverride(step.host, step.durationMs)
        this.#of(step.host).overriddenUntilMs = pool.time.now() + step.durationMs
        break
      case 'no-override':
        await pool.removeOverride(step.host)
        this.#of(step.host).overriddenUntilMs = Number.NEGATIVE_INFINITY
        break
      case 'wait':
        await pool.time.advanceAsync(step.durationMs)
        break
      case 'reboot':
        await this.#reboot(step.host)
        break
      case 'leaves':
        pool.embedded.hostLeft(pool.hosts[step.host] ?? '')
        this.#of(step.host).live = false
        break
      case 'returns':
        await this.#return(step.host)
        break
      case 'connect':
        this.#connect(step.host)
        break
      case 'disconnect':
        this.#disconnect(step.host)
        break
      case 'reconnect':
        this.#disconnect(step.host)
        this.#connect(step.host)
        break
      case 'late-answers':
        for (const late of this.#late) if (!late.signal.aborted) late.arrive()
        this.#late = []
        break
      case 'restart':
        for (const truth of this.#truths) truth.received = null
        await pool.restart()
        break
      case 'coordinator':
        for (const truth of this.#truths) truth.received = null
        this.#seq += 1
        pool.setCoordinator(`coordinator ${this.#seq}`)
        break
    }
    await settle()
  }

  /** The hosts that may reboot. */
  expected(): string {
    const members = this.#truths.filter(({ connected }) => connected)
    const isSafe = members.every(truth => this.#isKnownToBeInSync(truth))
    return ['A', 'B', 'C']
      .filter((_, index) => {
        const truth = this.#of(index)
        if (truth.leaving && truth.live) return false
        return isSafe || !truth.connected || this.pool.time.now() < truth.overriddenUntilMs
      })
      .join('')
  }

  /** Everything gets in sync without pushes: the updater has to poll. */
  async recover(): Promise<void> {
    for (const index of HOSTS) {
      this.#connect(index)
      Object.assign(this.#of(index), { mood: 'answers', state: 'synced' })
      await this.take({ kind: 'no-override', host: index })
      if (!this.#of(index).live || this.#of(index).leaving) await this.take({ kind: 'returns', host: index })
    }
    await this.take({ kind: 'wait', durationMs: POLL_EVERY_MS + POLL_TIMEOUT_MS })
  }

  #of(index: number): Truth {
    const truth = this.#truths[index]
    if (truth === undefined) throw new Error('no such host')
    return truth
  }

  #isKnownToBeInSync({ live, leaving, received }: Truth): boolean {
    if (!live || leaving || received === null) return false
    return received.state === 'synced' && this.pool.time.now() - received.confirmedAtMs <= LEASE_MS
  }

  async #turn(index: number, state: SyncState, isPushed: boolean): Promise<void> {
    const truth = this.#of(index)
    truth.state = state
    const [pbd] = this.pool.embedded.get('host', this.pool.hosts[index] ?? '')?.PBDs ?? []
    if (!isPushed || truth.mood !== 'answers' || pbd === undefined) return
    const { text, arrive } = this.#report(index)
    await this.pool.pushText(pbd, text)
    arrive()
  }

  /** The report of a host at this moment, and the effect of its arrival. */
  #report(index: number): { readonly text: string; arrive(): void } {
    const truth = this.#of(index)
    this.#seq += 1
    const received: Received = { state: truth.state, seq: this.#seq, confirmedAtMs: this.pool.time.now() }
    return {
      text: this.pool.report(index, truth.state, { seq: this.#seq, bootId: `boot-${truth.boot}` }),
      arrive: () => {
        if (truth.received === null || truth.received.seq < received.seq) truth.received = received
      },
    }
  }

  #answer(index: number, signal: AbortSignal): Promise<string> {
    const { mood } = this.#of(index)
    if (mood === 'fails') return Promise.reject(new Error('XENAPI_PLUGIN_FAILURE'))
    const { text, arrive } = this.#report(index)
    if (mood === 'answers') {
      arrive()
      return Promise.resolve(text)
    }
    return new Promise(resolve => {
      if (mood !== 'answers-late') return
      this.#late.push({
        signal,
        arrive: () => {
          arrive()
          resolve(text)
        },
      })
    })
  }

  async #reboot(index: number): Promise<void> {
    const truth = this.#of(index)
    const expected = this.expected().includes('ABC'.charAt(index)) && truth.live ? 'accepted' : 'refused'
    const answer = (await this.pool.reboot(index)) === 'accepted' ? 'accepted' : 'refused'
    if (answer !== expected) throw new Error(`reboot of ${index}: ${answer}, expected ${expected}`)
    if (answer === 'accepted') truth.leaving = true
  }

  async #return(index: number): Promise<void> {
    const truth = this.#of(index)
    // No machine returns in the millisecond of its last report.
    await this.pool.time.advanceAsync(1)
    truth.boot += 1
    Object.assign(truth, { live: true, leaving: false, received: null })
    // Its own clock is behind: only the order of its reports is reliable.
    this.pool.embedded.hostReturned(this.pool.hosts[index] ?? '', { bootTimeMs: START_MS - 3_600_000 })
  }

  #connect(index: number): void {
    const truth = this.#of(index)
    if (truth.connected) return
    Object.assign(truth, { connected: true, received: null })
    this.pool.embedded.addPbd({ host: this.pool.hosts[index] ?? '', sr: this.pool.sr, attached: true })
  }

  #disconnect(index: number): void {
    Object.assign(this.#of(index), { connected: false, received: null })
    const pbds = this.pool.embedded.get('host', this.pool.hosts[index] ?? '')?.PBDs ?? []
    for (const pbd of pbds) this.pool.embedded.removePbd(pbd)
  }
}

t.test(
  'in any sequence of events: blocked unless everything is known to be in sync, allowed when it is, each change with a cause',
  async t => {
    await fc.assert(
      fc.asyncProperty(fc.array(steps, { minLength: 10, maxLength: 40 }), async taken => {
        const ends: (() => Promise<void>)[] = []
        try {
          const world = await World.create(ends)
          const { pool } = world
          for (const [index, step] of taken.entries()) {
            await world.take(step)
            if (pool.mayReboot() === world.expected()) continue
            throw new Error(`after step ${index}: ${pool.mayReboot()} may reboot, expected ${world.expected()}`)
          }
          await world.recover()
          if (pool.mayReboot() !== 'ABC') throw new Error(`latched: ${pool.reasonsFor(0)}`)
          await world.take({ kind: 'restart' })
          if (pool.mayReboot() !== 'ABC') throw new Error(`not the same after a restart: ${pool.reasonsFor(0)}`)
          if (pool.changes.some(({ causes }) => causes.length === 0)) throw new Error('a change without a cause')
        } finally {
          for (const end of ends) await end()
        }
      }),
      { numRuns: 50 },
    )
    t.pass()
  },
)
