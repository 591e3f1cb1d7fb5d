import { join } from 'node:path'
import type { HttpAnswer } from '../platform/http/http-route.ts'
import { Attachments } from './attachments.ts'
import { readManifest } from './manifest.ts'
import { backendFailure, errorBody, SmapiError } from './smapi-error.ts'
import { SmapiParams } from './smapi-params.ts'
import { RESULT_SHAPES } from './smapi-results.ts'
import { type HostKnowledge, SrCalls } from './sr-calls.ts'
import type { SrWatch } from './sr-configuration.ts'
import { SrStore } from './sr-store.ts'

export interface VolumePluginOptions {
  readonly host: HostKnowledge
  /** Told at the start, and whenever an SR is attached or detached, of all that are. Must not throw. */
  readonly watch: (srs: readonly SrWatch[]) => void
  /** SRs and attachments are kept in `volume-plugin` below it. */
  readonly stateDirectory: string
  /** Default: plugin.json of this program. */
  readonly manifestFile?: string
  /** Told of what an operator has to look at: an SR's file that is damaged. */
  readonly onProblem: (text: string) => void
  /** Told of what must not happen: an error of this program. */
  readonly onBug: (bug: unknown) => void
}

/**
 * The scripts take nothing else for an answer of the agent: whatever answers at its socket instead will not say this.
 * plugin/volume/…/smapi-call has it too.
 */
const CONTENT_TYPE = 'application/vnd.resync-monitor.smapi+json'

/** The answer to a call whose arguments are not UTF-8. */
export const ARGUMENTS_NOT_UTF8 = refusal(400, backendFailure('the arguments of the call are not UTF-8'))

type MethodName = keyof typeof RESULT_SHAPES
type SmapiMethod = (params: SmapiParams) => unknown

/** The SMAPIv3 volume plugin `resync-monitor` (xapi-storage, version 5): SRs without volumes that stand for mirrors. */
export class VolumePlugin {
  readonly #methods: ReadonlyMap<string, readonly [name: MethodName, method: SmapiMethod]>
  readonly #onBug: (bug: unknown) => void

  /** Takes up what was attached before. @throws Error when plugin.json is missing or wrong */
  static async open(options: VolumePluginOptions): Promise<VolumePlugin> {
    const manifest = await readManifest(options.manifestFile)
    const store = new SrStore(join(options.stateDirectory, 'volume-plugin'))
    const attachments = new Attachments(options.watch)
    await attachments.restore(store, options.onProblem)
    const srs = new SrCalls(store, attachments, options.host, manifest.name)
    const methods: Readonly<Record<MethodName, SmapiMethod>> = {
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
    return new VolumePlugin(methods, options.onBug)
  }

  private constructor(methods: Readonly<Record<MethodName, SmapiMethod>>, onBug: (bug: unknown) => void) {
    const names = Object.keys(methods).filter(isMethodName)
    // xapi-storage-script asks for `Plugin.query` and takes any case of it (main.ml:372-405).
    this.#methods = new Map(names.map(name => [name.toLowerCase(), [name, methods[name]]]))
    this.#onBug = onBug
  }

  /**
   * Makes one call: the answer is what its script has to print, and whether it fails (any status but 200). Never rejects.
   * @param body the arguments: a JSON object
   */
  async answer(methodName: string, body: string): Promise<HttpAnswer> {
    const found = this.#methods.get(methodName.toLowerCase())
    if (found === undefined) return refusal(501, new SmapiError('Unimplemented', [methodName]))
    const [name, method] = found
    try {
      const result = await method(new SmapiParams(body))
      if (RESULT_SHAPES[name](result)) return { status: 200, contentType: CONTENT_TYPE, body: JSON.stringify(result) }
      this.#onBug(new Error(`a wrong result of ${name}: ${JSON.stringify(result)}`))
    } catch (error) {
      if (error instanceof SmapiError) return refusal(400, error)
      this.#onBug(error)
    }
    return refusal(500, backendFailure('internal error, see the log of resync-monitor'))
  }
}

function refusal(status: number, error: SmapiError): HttpAnswer {
  return { status, contentType: CONTENT_TYPE, body: errorBody(error) }
}

function isMethodName(name: string): name is MethodName {
  return Object.hasOwn(RESULT_SHAPES, name)
}
