import { isJsonObject } from '../platform/json/json-object.ts'
/** What a storage plugin says of itself. */
export interface QueryResult {
  /** The type of its SRs. */
  readonly plugin: string
  readonly name: string
  readonly description: string
  readonly vendor: string
  readonly copyright: string
  readonly version: string
  readonly required_api_version: string
  readonly features: readonly string[]
  /** What each key of an SR's configuration means. */
  readonly configuration: Readonly<Record<string, string>>
  readonly required_cluster_stack: readonly string[]
}

export interface SrStat {
  readonly sr: string
  readonly name: string
  readonly uuid?: string
  readonly description: string
  readonly total_space: number
  readonly free_space: number
  readonly datasources: readonly string[]
  readonly clustered: boolean
  readonly health: readonly [tag: 'Healthy' | 'Recovering', text: string]
}

export interface ProbeResult {
  readonly configuration: Readonly<Record<string, string>>
  readonly complete: boolean
  readonly sr?: SrStat
  readonly extra_info: Readonly<Record<string, string>>
}

type Shape = (value: unknown) => boolean

const text: Shape = value => typeof value === 'string'
const flag: Shape = value => typeof value === 'boolean'
/** OCaml reads 10.0 and what is beyond 2^63 as no integer; JavaScript's own limit is below that. */
const bytes: Shape = value => Number.isSafeInteger(value) && Number(value) >= 0
const nothing: Shape = value => value === null
const list =
  (item: Shape): Shape =>
  value =>
    Array.isArray(value) && value.every(item)
const map: Shape = value => isJsonObject(value) && Object.values(value).every(text)

/** A missing optional key is fine; `null` in its place makes the toolstack refuse the whole result. */
function object(required: Readonly<Record<string, Shape>>, optional: Readonly<Record<string, Shape>> = {}): Shape {
  return value => {
    if (!isJsonObject(value)) return false
    const given = new Map(Object.entries(value))
    return (
      Object.entries(required).every(([key, shape]) => shape(given.get(key))) &&
      Object.entries(optional).every(([key, shape]) => !given.has(key) || shape(given.get(key)))
    )
  }
}

const health: Shape = value =>
  Array.isArray(value) && value.length === 2 && ['Healthy', 'Recovering'].includes(value[0]) && text(value[1])

const queryResult = object({
  plugin: text,
  name: text,
  description: text,
  vendor: text,
  copyright: text,
  version: text,
  required_api_version: text,
  features: list(text),
  configuration: map,
  required_cluster_stack: list(text),
})

const srStat = object(
  {
    sr: text,
    name: text,
    description: text,
    total_space: bytes,
    free_space: bytes,
    datasources: list(text),
    clustered: flag,
    health,
  },
  { uuid: text },
)

const probeResult = object({ configuration: map, complete: flag, extra_info: map }, { sr: srStat })

/** What each method's result must look like: one wrong field, and xapi-storage-script drops the whole (control.ml, plugin.ml). */
export const RESULT_SHAPES = {
  'Plugin.Query': queryResult,
  'Plugin.diagnostics': text,
  'Plugin.ls': list(text),
  'SR.probe': list(probeResult),
  'SR.create': map,
  'SR.attach': text,
  'SR.detach': nothing,
  'SR.destroy': nothing,
  'SR.stat': srStat,
  'SR.ls': list(() => false),
  'SR.set_name': nothing,
  'SR.set_description': nothing,
} as const satisfies Readonly<Record<string, Shape>>

export function isQueryResult(value: unknown): value is QueryResult {
  return queryResult(value)
}
