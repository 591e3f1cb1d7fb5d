import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0'
import { AGENT_ERROR, type CanRebootAnswer, type GateAnswer, type OverrideAnswer } from './agent-protocol.ts'
import type { RpcMethod } from './json-rpc.ts'

export interface OverrideRequest {
  /** UUID or name. */
  readonly host: string
  readonly reason: string
  readonly by: string
  readonly expiresInSeconds: number
}

/** What can be asked of the pool, through this host's toolstack. @throws PoolRefusal */
export interface PoolAnswers {
  gate(signal: AbortSignal): Promise<GateAnswer>
  /** @param hosts UUIDs or names */
  canReboot(hosts: readonly string[], signal: AbortSignal): Promise<CanRebootAnswer>
  setOverride(request: OverrideRequest, signal: AbortSignal): Promise<OverrideAnswer>
  clearOverride(host: string, signal: AbortSignal): Promise<void>
  /** An operator states that a host does not carry out its order to reboot or shut down. */
  clearOrder(host: string, reason: string, signal: AbortSignal): Promise<void>
}

type RefusalKind = keyof Pick<typeof AGENT_ERROR, 'noToolstack' | 'toolstackUnreachable' | 'noGate' | 'refused'>

/** The pool has no answer: a sentence for people, and what kind of refusal it is. */
export class PoolRefusal extends Error {
  /** `invalid`: what was asked makes no sense for this pool. */
  readonly kind: RefusalKind | 'invalid'
  /** XenAPI's error, where it has raised one. */
  readonly error: readonly string[] | null

  constructor(kind: PoolRefusal['kind'], text: string, error: readonly string[] | null = null) {
    super(text)
    this.name = 'PoolRefusal'
    this.kind = kind
    this.error = error
  }
}

const MAX_HOSTS = 64
const MAX_TEXT_LENGTH = 1_024

/** The methods that need the pool: only for a socket that is root's alone. */
export function poolMethods(pool: PoolAnswers): Readonly<Record<string, RpcMethod>> {
  return {
    'Pool.gate': (_params, signal) => told(pool.gate(signal)),
    'Host.can_reboot': (params, signal) => told(pool.canReboot(hostsOf(params), signal)),
    'Override.set': (params, signal) => told(pool.setOverride(overrideOf(params), signal)),
    'Override.clear': async (params, signal) => {
      await told(pool.clearOverride(textOf(params, 'host'), signal))
      return {}
    },
    'Order.clear': async (params, signal) => {
      await told(pool.clearOrder(textOf(params, 'host'), textOf(params, 'reason'), signal))
      return {}
    },
  }
}

async function told<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof PoolRefusal)) throw error
    const { kind, message } = error
    if (kind === 'invalid') throw invalid(message)
    throw new JSONRPCErrorException(
      message,
      AGENT_ERROR[kind],
      error.error === null ? undefined : { error: error.error },
    )
  }
}

function hostsOf(params: unknown): readonly string[] {
  const hosts = parameter(params, 'hosts')
  const isList = (value: unknown): value is readonly string[] => Array.isArray(value) && value.every(isText)
  if (isList(hosts) && hosts.length > 0 && hosts.length <= MAX_HOSTS) return hosts
  throw invalid(`hosts: must be a list of 1 to ${MAX_HOSTS} UUIDs or names of hosts`)
}

function overrideOf(params: unknown): OverrideRequest {
  const expiresInSeconds = parameter(params, 'expiresInSeconds')
  if (typeof expiresInSeconds !== 'number') throw invalid('expiresInSeconds: must be a number')
  const [host, reason, by] = [textOf(params, 'host'), textOf(params, 'reason'), textOf(params, 'by')]
  return { host, reason, by, expiresInSeconds }
}

function textOf(params: unknown, key: string): string {
  const value = parameter(params, key)
  if (isText(value)) return value
  throw invalid(`${key}: must be a text of 1 to ${MAX_TEXT_LENGTH} characters`)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.trim() !== '' && value.length <= MAX_TEXT_LENGTH
}

function parameter(params: unknown, key: string): unknown {
  return typeof params === 'object' && params !== null ? Reflect.get(params, key) : undefined
}

function invalid(text: string): JSONRPCErrorException {
  return new JSONRPCErrorException(text, JSONRPCErrorCode.InvalidParams)
}
