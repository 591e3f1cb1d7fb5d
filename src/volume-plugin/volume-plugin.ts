import { join } from 'node:path'
import type { HttpAnswer } from '../platform/http/http-route.ts'
import type { Clock } from '../platform/time/clock.ts'
import { Attachments } from './attachments.ts'
import { readManifest } from './manifest.ts'
import { backendFailure, errorBody, SmapiError } from './smapi-error.ts'
import {
  isSmapiMethod,
  readSmapiParams,
  SMAPI_METHODS,
  type SmapiMethod,
  type SmapiParams,
  type SmapiResult,
} from './smapi-methods.ts'
import { type HostKnowledge, SrCalls } from './sr-calls.ts'
import type { SrWatch } from './sr-configuration.ts'
import { SrStore } from './sr-store.ts'

export interface VolumePluginOptions {
  readonly host: HostKnowledge
  /** Receives all attached SRs at the start, and whenever one is attached or detached. Must not throw. */
  readonly watch: (srs: readonly SrWatch[]) => void
  /** SRs and attachments are kept in `volume-plugin` below it. */
  readonly stateDirectory: string
  readonly clock: Pick<Clock, 'now'>
  /** Default: plugin.json of this program. */
  readonly manifestFile?: string
  /** Receives a sentence for the operator when the file of an SR is damaged. */
  readonly onProblem: (text: string) => void
  /** Receives an exception that is this program's own fault. */
  readonly onBug: (bug: unknown) => void
}

/**
 * The scripts accept only this type, because another program may answer at the socket. plugin/volume/…/smapi-call has it too.
 */
const CONTENT_TYPE = 'application/vnd.resync-monitor.smapi+json'

/** The answer to a call whose arguments are not UTF-8. */
export const ARGUMENTS_NOT_UTF8 = refusal(400, backendFailure('the arguments of the call are not UTF-8'))

type Calls = {
  readonly [Method in SmapiMethod]: (params: SmapiParams<Method>) => SmapiResult<Method> | Promise<SmapiResult<Method>>
}

/** The SMAPIv3 volume plugin `resync-monitor` (xapi-storage, version 5): SRs without volumes that stand for mirrors. */
export class VolumePlugin {
  readonly #srs: SrCalls
  readonly #calls: Calls
  /** By name in lower case: xapi-storage-script calls `Plugin.query`, and accepts any case (main.ml:372-405). */
  readonly #methods: ReadonlyMap<string, SmapiMethod>
  readonly #onBug: (bug: unknown) => void

  /** Restores the SRs that were attached before. @throws Error when plugin.json is missing or wrong */
  static async open(options: VolumePluginOptions): Promise<VolumePlugin> {
    const manifest = await readManifest(options.manifestFile)
    const store = new SrStore(join(options.stateDirectory, 'volume-plugin'))
    const attachments = new Attachments(options.watch)
    const { host, clock, onProblem } = options
    const srs = new SrCalls({ store, attachments, host, defaultName: manifest.name, clock, onProblem })
    await srs.settle()
    await attachments.restore(store, clock.now(), onProblem)
    const calls: Calls = {
      'Plugin.Query': () => manifest,
      'Plugin.diagnostics': () => srs.diagnostics(),
      'Plugin.ls': () => srs.uris(),
      'SR.probe': params => srs.probe(params),
      'SR.create': params => srs.create(params),
      'SR.attach': params => srs.attach(params),
      'SR.detach': params => srs.detach(params),
      'SR.destroy': params => srs.destroy(params),
      'SR.stat': params => srs.stat(params),
      'SR.ls': params => srs.ls(params),
      'SR.set_name': params => srs.setName(params),
      'SR.set_description': params => srs.setDescription(params),
    }
    return new VolumePlugin(srs, calls, options.onBug)
  }

  private constructor(srs: SrCalls, calls: Calls, onBug: (bug: unknown) => void) {
    this.#srs = srs
    this.#calls = calls
    const names = Object.keys(SMAPI_METHODS).filter(isSmapiMethod)
    this.#methods = new Map(names.map(name => [name.toLowerCase(), name]))
    this.#onBug = onBug
  }

  /**
   * Makes one call. The body of the answer is what the script prints; any status but 200 means that the call failed. Never rejects.
   * @param body the arguments: a JSON object
   */
  async answer(methodName: string, body: string): Promise<HttpAnswer> {
    const method = this.#methods.get(methodName.toLowerCase())
    if (method === undefined) return refusal(501, new SmapiError('Unimplemented', [methodName]))
    try {
      const result = await this.#call(method, body)
      if (SMAPI_METHODS[method].result.safeParse(result).success) {
        return { status: 200, contentType: CONTENT_TYPE, body: JSON.stringify(result) }
      }
      this.#onBug(new Error(`a wrong result of ${method}: ${JSON.stringify(result)}`))
    } catch (error) {
      if (error instanceof SmapiError) return refusal(400, error)
      this.#onBug(error)
    }
    return refusal(500, backendFailure('internal error, see the log of resync-monitor'))
  }

  /** Call it about once a second: carries out what the script could not pass on, and stops to watch detached SRs. */
  tick(): void {
    void this.#srs.settle()
    this.#srs.expire()
  }

  #call<Method extends SmapiMethod>(method: Method, body: string): SmapiResult<Method> | Promise<SmapiResult<Method>> {
    return this.#calls[method](readSmapiParams(method, body))
  }
}

function refusal(status: number, error: SmapiError): HttpAnswer {
  return { status, contentType: CONTENT_TYPE, body: errorBody(error) }
}
