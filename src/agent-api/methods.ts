import { z } from 'zod'
import {
  CanRebootAnswer,
  GateAnswer,
  ListedSr,
  MirrorsAnswer,
  OverrideAnswer,
  ReportAnswer,
  UnwatchedAnswer,
} from './answers.ts'
import { isPollSecret } from './poll-proof.ts'

/** The codes of JSON-RPC errors beyond those of its specification. The message of an error is a sentence. */
export const AGENT_ERRORS = {
  notWatched: { code: -32_001, meaning: 'This host does not watch that SR.' },
  noToolstack: { code: -32_002, meaning: 'No toolstack is configured for this agent, so it cannot ask the pool.' },
  toolstackUnreachable: {
    code: -32_003,
    meaning: 'The toolstack does not answer, or not in time. It is not known whether an override was written.',
  },
  noGate: { code: -32_004, meaning: 'The toolstack answers, but no updater of resync-monitor runs behind it.' },
  refused: { code: -32_005, meaning: "The toolstack refused: `data.error` is XenAPI's error." },
  tooManyWaiters: { code: -32_006, meaning: 'The limit of 64 waiting `SR.wait_synced` calls is reached.' },
} as const

export type AgentErrorName = keyof typeof AGENT_ERRORS

/** One method of `POST /jsonrpc`. Server and client both derive from it. */
export interface MethodContract<Params, Result> {
  readonly summary: string
  readonly params: z.ZodType<Params>
  readonly result: z.ZodType<Result>
  /** Besides errors of its parameters. */
  readonly errors: readonly AgentErrorName[]
  /**
   * `any`: also over the network, if `listen` is configured. `own`: only on the unix socket, which root alone may open: over the
   * network no client proves who it is.
   */
  readonly socket: 'any' | 'own'
}

const MAX_HOSTS = 64
const MAX_TEXT_LENGTH = 1_024

const isText = (value: unknown) => typeof value === 'string' && value.trim() !== '' && value.length <= MAX_TEXT_LENGTH
const text = z.string().refine(isText, { error: `must be a text of 1 to ${MAX_TEXT_LENGTH} characters` })
const hosts = z.custom<readonly string[]>(
  value => Array.isArray(value) && value.length > 0 && value.length <= MAX_HOSTS && value.every(isText),
  { error: `must be a list of 1 to ${MAX_HOSTS} UUIDs or names of hosts` },
)
const nonce = z.custom<string>(isPollSecret, { error: 'must be 64 hex digits' })
const params = <Shape extends z.core.$ZodLooseShape>(shape: Shape) =>
  z.object(shape, { error: 'the parameters must be an object' }).readonly()

const noParams = z.unknown().transform((): Readonly<Record<string, never>> => ({}))
const ofSr = { sr: z.string({ error: 'must be the UUID of an SR' }) }
const nothing = z.unknown().transform((): Readonly<Record<string, never>> => ({}))
const pool = ['noToolstack', 'toolstackUnreachable', 'noGate', 'refused'] as const

const CONTRACTS = {
  'SR.list': {
    summary: 'Lists the SRs that this host watches, with their states.',
    params: noParams,
    result: z.array(ListedSr).readonly(),
    errors: [],
    socket: 'any',
  },
  'SR.sync_status': {
    summary: 'Returns the report of this host about an SR, as of now.',
    params: params(ofSr),
    result: ReportAnswer,
    errors: ['notWatched'],
    socket: 'any',
  },
  'SR.mirrors': {
    summary: 'Lists the mirrors of an SR that are not synced, have a warning or are being verified.',
    params: params(ofSr),
    result: MirrorsAnswer,
    errors: ['notWatched'],
    socket: 'any',
  },
  'SR.unwatched': {
    summary: 'Lists DRBD resources and md arrays of this host that belong to no SR.',
    params: noParams,
    result: UnwatchedAnswer,
    errors: [],
    socket: 'any',
  },
  'SR.wait_synced': {
    summary:
      'Waits until an SR is synced on this host and returns its report; when the time is over it returns the report as it is.',
    params: params({
      ...ofSr,
      /** The server uses 300 for anything above it. */
      timeoutSeconds: z.number({ error: 'must be a number' }).min(0, { error: 'must be 0 or more' }),
    }),
    result: ReportAnswer,
    errors: ['notWatched', 'tooManyWaiters'],
    socket: 'any',
  },
  'SR.proven_report': {
    summary: 'Returns what `report` returns, with a proof that this agent wrote it. The updater polls with it.',
    params: params({ ...ofSr, nonce }),
    result: z.object({ report: z.string(), proof: z.string() }).readonly(),
    errors: ['notWatched'],
    socket: 'any',
  },
  'Pool.gate': {
    summary: "Returns the gate's decisions for every host of the pool, with reasons.",
    params: noParams,
    result: GateAnswer,
    errors: pool,
    socket: 'own',
  },
  'Host.can_reboot': {
    summary: 'Returns whether these hosts (UUIDs or names) may be down together.',
    params: params({ hosts }),
    result: CanRebootAnswer,
    errors: pool,
    socket: 'own',
  },
  'Override.set': {
    summary: 'Lets the operations of one host (UUID or name) pass the storage rule for a limited time.',
    params: params({
      host: text,
      reason: text,
      by: text,
      expiresInSeconds: z.number({ error: 'must be a number' }),
    }),
    result: OverrideAnswer,
    errors: pool,
    socket: 'own',
  },
  'Override.clear': {
    summary: 'Ends the override of a host (UUID or name).',
    params: params({ host: text }),
    result: nothing,
    errors: pool,
    socket: 'own',
  },
  'Order.clear': {
    summary:
      'States that a host (UUID or name) does not carry out its order to reboot or shut down. `reason` is logged.',
    params: params({ host: text, reason: text }),
    result: nothing,
    errors: pool,
    socket: 'own',
  },
  report: {
    summary: "Returns the report of this host about an SR as text, as the XenAPI plugin's function `report` does.",
    params: params(ofSr),
    result: z.string(),
    errors: ['notWatched'],
    socket: 'any',
  },
  status: {
    summary: "Returns the result of `SR.list` as text, as the XenAPI plugin's function `status` does.",
    params: noParams,
    result: z.string(),
    errors: [],
    socket: 'any',
  },
} as const satisfies Readonly<Record<string, MethodContract<unknown, unknown>>>

export type AgentMethod = keyof typeof CONTRACTS
export type ParamsOf<Method extends AgentMethod> = z.output<(typeof CONTRACTS)[Method]['params']>
export type ResultOf<Method extends AgentMethod> = z.output<(typeof CONTRACTS)[Method]['result']>

/** Every method that an agent answers. docs/AGENT-API.md describes them for users. */
export const AGENT_METHODS: { readonly [Method in AgentMethod]: MethodContract<ParamsOf<Method>, ResultOf<Method>> } =
  CONTRACTS

export function isAgentMethod(name: string): name is AgentMethod {
  return Object.hasOwn(AGENT_METHODS, name)
}

/** The first problem of a value that a schema refuses, such as `hosts: must be a list of …`. */
export function problemOf({ issues }: z.ZodError): string {
  const [first] = issues
  if (first === undefined) return 'is not valid'
  return first.path.length === 0 ? first.message : `${first.path.join('.')}: ${first.message}`
}
