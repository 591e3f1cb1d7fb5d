import { z } from 'zod'
import { parseJson } from '../platform/json/parse-json.ts'
import { backendFailure } from './smapi-error.ts'

const text = z.string()
const map = z.record(text, text).readonly()
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly()
/** xapi-storage-script (OCaml) reads 10.0 and anything above 2^63 as no integer. JavaScript's own limit is lower. */
const bytes = z.int().nonnegative()

/** What a storage plugin says about itself. */
export const QueryResult = z
  .object({
    /** The type of its SRs. */
    plugin: text,
    name: text,
    description: text,
    vendor: text,
    copyright: text,
    version: text,
    required_api_version: text,
    features: list(text),
    /** What each key of an SR's configuration means. */
    configuration: map,
    required_cluster_stack: list(text),
  })
  .readonly()
export type QueryResult = z.output<typeof QueryResult>

// A missing optional key is accepted; `null` in its place makes the toolstack refuse the whole result.
const SrStat = z
  .object({
    sr: text,
    name: text,
    uuid: text.exactOptional(),
    description: text,
    total_space: bytes,
    free_space: bytes,
    datasources: list(text),
    clustered: z.boolean(),
    health: z.tuple([z.enum(['Healthy', 'Recovering']), text]).readonly(),
  })
  .readonly()
export type SrStat = z.output<typeof SrStat>

const ProbeResult = z
  .object({ configuration: map, complete: z.boolean(), sr: SrStat.exactOptional(), extra_info: map })
  .readonly()
export type ProbeResult = z.output<typeof ProbeResult>

const nothing = z.null()
/** The URI that SR.attach returned. */
const sr = text

/**
 * Every method of the SMAPIv3 volume interface that this plugin has: the arguments that it reads, and the result. Other arguments
 * (`dbg`) are ignored. One wrong field in a result, and xapi-storage-script drops the whole result (control.ml, plugin.ml).
 */
export const SMAPI_METHODS = {
  'Plugin.Query': { params: z.object({}), result: QueryResult },
  'Plugin.diagnostics': { params: z.object({}), result: text },
  'Plugin.ls': { params: z.object({}), result: list(text) },
  'SR.probe': { params: z.object({ configuration: map }), result: list(ProbeResult) },
  'SR.create': { params: z.object({ uuid: text, name: text, description: text, configuration: map }), result: map },
  'SR.attach': { params: z.object({ configuration: map }), result: text },
  'SR.detach': { params: z.object({ sr }), result: nothing },
  'SR.destroy': { params: z.object({ sr }), result: nothing },
  'SR.stat': { params: z.object({ sr }), result: SrStat },
  'SR.ls': { params: z.object({ sr }), result: list(z.never()) },
  'SR.set_name': { params: z.object({ sr, new_name: text }), result: nothing },
  'SR.set_description': { params: z.object({ sr, new_description: text }), result: nothing },
} as const

export type SmapiMethod = keyof typeof SMAPI_METHODS
export type SmapiParams<Method extends SmapiMethod> = Readonly<z.output<(typeof SMAPI_METHODS)[Method]['params']>>
export type SmapiResult<Method extends SmapiMethod> = z.output<(typeof SMAPI_METHODS)[Method]['result']>

export function isSmapiMethod(name: string): name is SmapiMethod {
  return Object.hasOwn(SMAPI_METHODS, name)
}

const CONTRACTS: {
  readonly [Method in SmapiMethod]: {
    readonly params: z.ZodType<SmapiParams<Method>>
    readonly result: z.ZodType<SmapiResult<Method>>
  }
} = SMAPI_METHODS

const MAX_BODY_LENGTH = 65_536

/** Reads the arguments of a call: one JSON object. @throws SmapiError naming the argument that is missing or wrong */
export function readSmapiParams<Method extends SmapiMethod>(method: Method, body: string): SmapiParams<Method> {
  const parsed = parseJson(body, MAX_BODY_LENGTH)
  if ('problem' in parsed && parsed.problem === 'too-large') {
    throw backendFailure('the arguments of the call are too long')
  }
  const params = CONTRACTS[method].params.safeParse('value' in parsed ? parsed.value : null)
  if (params.success) return params.data
  const [issue] = params.error.issues
  if (issue === undefined || issue.path.length === 0) {
    throw backendFailure('the arguments of a call must be one JSON object')
  }
  const expected = 'expected' in issue && issue.expected === 'string' ? 'a string' : 'an object'
  throw backendFailure(`the argument ${issue.path.join('.')} must be ${expected}`)
}
