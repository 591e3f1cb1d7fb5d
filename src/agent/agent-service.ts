import type { SyncAnswers } from '../agent-api/agent-methods.ts'
import { pollProof } from '../agent-api/poll-proof.ts'
import { VolumePlugin } from '../volume-plugin/volume-plugin.ts'
import type { AgentConfig } from './agent-config.ts'
import { type AgentParts, type AgentServiceOptions, openAgentParts } from './agent-parts.ts'
import { AgentSockets } from './agent-sockets.ts'
import { applyConfig, type ConfigStep } from './apply-config.ts'
import { presentMirrors } from './backends.ts'
import { hostAnswers } from './host-answers.ts'

const TICK_EVERY_MS = 1_000

/** What is in use under these keys stays until a restart. */
const FIXED_KEYS = ['host', 'root', 'stateDirectory'] as const

/**
 * The daemon of one host: kernel and configuration in, reports and notifications out, and sockets that answer.
 *
 * Invariants: it keeps running whatever fails: a source (its SRs are `unknown` meanwhile), the toolstack (what it must receive is
 * kept), a wrong configuration (the previous one stays in effect). It does not start without a boot id, nor if another agent answers
 * at the socket: two agents of one host would contradict each other.
 */
export class AgentService {
  readonly answers: SyncAnswers
  readonly #options: AgentServiceOptions
  readonly #parts: AgentParts
  readonly #plugin: VolumePlugin
  readonly #sockets: AgentSockets
  readonly #steps: readonly ConfigStep<AgentConfig>[]
  /** The configuration in effect. */
  #config: AgentConfig
  #stopTicking: () => void = () => undefined

  /** @throws Error when the boot id cannot be read, another agent answers at the socket, or the toolstack's files are wrong */
  static async start(options: AgentServiceOptions): Promise<AgentService> {
    const parts = await openAgentParts(options)
    try {
      const plugin = await openVolumePlugin(options, parts)
      const service = new AgentService(options, parts, plugin)
      await service.#begin()
      return service
    } catch (error) {
      await closeParts(parts)
      throw error
    }
  }

  private constructor(options: AgentServiceOptions, parts: AgentParts, plugin: VolumePlugin) {
    const { config } = options
    const { state, monitor, backends, endpoint, events, questions, srs, pollKey, log, onBug } = parts
    this.#options = options
    this.#parts = parts
    this.#plugin = plugin
    this.#config = config
    this.answers = hostAnswers(state, monitor)
    this.#sockets = new AgentSockets({
      answers: this.answers,
      events,
      prove: (sr, nonce, report) => pollProof(pollKey, { host: config.host, sr, nonce }, report),
      own: { plugin, pool: questions },
      clock: options.clock,
      onProblem: text => log('socket', text),
      onBug,
    })
    this.#steps = [
      { keys: ['socket'], apply: ({ socket }) => this.#sockets.listenAt(socket) },
      { keys: ['listen'], apply: ({ listen }) => this.#sockets.listenOn(listen) },
      { keys: ['metrics'], apply: ({ metrics }) => endpoint.serve(metrics) },
      { keys: ['toolstack', 'machine'], apply: wanted => this.#openLink(wanted) },
      { keys: ['srs'], apply: wanted => srs.configure(wanted.srs) },
      ...backends.map(backend => ({
        keys: [backend.name],
        apply: (wanted: AgentConfig) => backend.follow(wanted, monitor),
      })),
    ]
  }

  /**
   * Applies a changed configuration. Parts whose keys have not changed are not disturbed. One call at a time.
   * @throws Error with what could not be applied; the rest is applied
   */
  async reload(wanted: AgentConfig): Promise<void> {
    const before = this.#config
    for (const key of FIXED_KEYS) {
      if (wanted[key] === before[key]) continue
      const move =
        key === 'stateDirectory' ? `; before that, move the content of ${before[key]} to the new directory` : ''
      const text = `a change of ${key} takes effect only after a restart${move}`
      this.#parts.log('needs-restart', text)
    }
    const { config, problems } = await applyConfig(before, wanted, this.#steps)
    this.#config = config
    // The operator has removed these SRs from the configuration, so their mirrors are no longer remembered.
    const { monitor, memory } = this.#parts
    const watched = new Set(monitor.srs())
    for (const { uuid } of before.srs) if (!watched.has(uuid)) memory.forget(uuid)
    if (problems.length > 0) throw new Error(problems.join('; '))
  }

  /** Ends children, sockets, timers and connections. Notifications that the pool has not received are kept for the next start. */
  async close(): Promise<void> {
    this.#stopTicking()
    await closeParts(this.#parts, this.#sockets)
  }

  async #begin(): Promise<void> {
    const { socket, listen, metrics, toolstack } = this.#config
    const { monitor, backends, endpoint } = this.#parts
    try {
      await this.#sockets.listenAt(socket)
      if (listen !== undefined) await this.#sockets.listenOn(listen)
      await endpoint.serve(metrics)
      if (toolstack !== undefined) await this.#openLink(this.#config)
    } catch (error) {
      await this.#sockets.close()
      throw error
    }
    for (const backend of backends) backend.follow(this.#config, monitor)
    this.#tickLater()
  }

  async #openLink(config: AgentConfig): Promise<void> {
    const { toolstack, monitor, poolStates } = this.#parts
    await toolstack.open(config)
    monitor.pushAgain(monitor.srs())
    poolStates.forget()
  }

  #tickLater(): void {
    this.#stopTicking = this.#options.clock.after(TICK_EVERY_MS, () => {
      this.#tickLater()
      this.#tick()
    })
  }

  #tick(): void {
    const { monitor, backends, memory, toolstack, marks } = this.#parts
    monitor.tick()
    for (const backend of backends) backend.tick()
    memory.retry()
    monitor.pushAgain(toolstack.tick())
    marks.tick()
    this.#plugin.tick()
    this.#sockets.tick()
  }
}

/** Opens the volume plugin, and selects the configured SRs and those that it has attached. */
async function openVolumePlugin({ config, clock }: AgentServiceOptions, parts: AgentParts): Promise<VolumePlugin> {
  const { state, monitor, poolStates, srs, log, onBug } = parts
  srs.configure(config.srs)
  return VolumePlugin.open({
    host: {
      status: sr => monitor.status(sr),
      srs: () => monitor.srs(),
      presentMirrors: () => presentMirrors(state),
      poolState: sr => poolStates.of(sr),
    },
    watch: attached => srs.attach(attached),
    stateDirectory: config.stateDirectory,
    clock,
    onProblem: text => log('volume-plugin', text),
    onBug,
  })
}

async function closeParts(parts: AgentParts, sockets?: AgentSockets): Promise<void> {
  const { backends, pool, endpoint, poolStates, monitor, toolstack, marks, memory } = parts
  await Promise.all(backends.map(backend => backend.close()))
  pool.end()
  await Promise.all([sockets, endpoint, poolStates, monitor, toolstack, marks].map(each => each?.close()))
  await memory.close()
}
