import type { CanRebootAnswer, GateAnswer, OverrideAnswer } from './answers.ts'
import type { AgentErrorName, ParamsOf } from './methods.ts'
import { MethodFailure, type MethodHandlers } from './serve-methods.ts'

export type OverrideRequest = ParamsOf<'Override.set'>

/** What an agent can ask of its pool, through its toolstack. @throws PoolRefusal */
export interface PoolAnswers {
  gate(signal: AbortSignal): Promise<GateAnswer>
  /** @param hosts UUIDs or names */
  canReboot(hosts: readonly string[], signal: AbortSignal): Promise<CanRebootAnswer>
  setOverride(request: OverrideRequest, signal: AbortSignal): Promise<OverrideAnswer>
  clearOverride(host: string, signal: AbortSignal): Promise<void>
  /** An operator states that a host does not carry out its order to reboot or shut down. */
  clearOrder(host: string, reason: string, signal: AbortSignal): Promise<void>
}

type RefusalKind = Extract<AgentErrorName, 'noToolstack' | 'toolstackUnreachable' | 'noGate' | 'refused'>

/** The pool has no answer. The message is a sentence for people. */
export class PoolRefusal extends Error {
  /** `invalid`: the request makes no sense for this pool. */
  readonly kind: RefusalKind | 'invalid'
  /** XenAPI's error, if it raised one. */
  readonly error: readonly string[] | null

  constructor(kind: PoolRefusal['kind'], text: string, error: readonly string[] | null = null) {
    super(text)
    this.name = 'PoolRefusal'
    this.kind = kind
    this.error = error
  }
}

/** The methods that need the pool: only for the socket that root alone may open. */
export function poolMethods(pool: PoolAnswers): MethodHandlers {
  return {
    'Pool.gate': (_params, signal) => answered(pool.gate(signal)),
    'Host.can_reboot': ({ hosts }, signal) => answered(pool.canReboot(hosts, signal)),
    'Override.set': (request, signal) => answered(pool.setOverride(request, signal)),
    'Override.clear': async ({ host }, signal) => {
      await answered(pool.clearOverride(host, signal))
      return {}
    },
    'Order.clear': async ({ host, reason }, signal) => {
      await answered(pool.clearOrder(host, reason, signal))
      return {}
    },
  }
}

async function answered<T>(answer: Promise<T>): Promise<T> {
  try {
    return await answer
  } catch (error) {
    if (!(error instanceof PoolRefusal)) throw error
    throw new MethodFailure(error.kind, error.message, error.error === null ? undefined : { error: error.error })
  }
}
