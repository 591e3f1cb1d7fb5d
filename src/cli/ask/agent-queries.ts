import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0'
import { AgentClient, AgentNotUnderstood, AgentUnreachable } from '../../agent-api/agent-client.ts'
import type {
  CanRebootAnswer,
  GateAnswer,
  ListedSr,
  MirrorsAnswer,
  OverrideAnswer,
  UnwatchedAnswer,
} from '../../agent-api/answers.ts'
import {
  AGENT_ERRORS,
  type AgentErrorName,
  type AgentMethod,
  type ParamsOf,
  type ResultOf,
} from '../../agent-api/methods.ts'
import { codeOf } from '../../platform/errors.ts'
import type { Report } from '../../sync-query/report/report.ts'

/** `agent-away`: the agent does not answer; `bad-request`: an operand is wrong; the others as in `AGENT_ERRORS`. */
type AskProblemCode = 'agent-away' | 'not-understood' | 'bad-request' | 'internal' | AgentErrorName

/** Why a call has no answer, with a sentence for people. */
export interface AskProblem {
  readonly code: AskProblemCode
  readonly text: string
}

export type Answer<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: AskProblem }

/** An agent answers from its memory. */
const TIMEOUT_MS = 10_000
/** The agent asks the coordinator, which may be the host that reboots; the rest of the output waits for it. */
const TIMEOUT_WITH_POOL_MS = 15_000

/** Calls this host's agent. A failure is a value; only bugs throw. */
export class AgentQueries {
  readonly #client: AgentClient
  readonly #socket: string
  readonly #signal: AbortSignal

  /** @param signal ends every call that is still open */
  constructor(socket: string, signal: AbortSignal = new AbortController().signal) {
    this.#client = new AgentClient(socket)
    this.#socket = socket
    this.#signal = signal
  }

  srs(): Promise<Answer<readonly ListedSr[]>> {
    return this.#ask('SR.list', {})
  }

  report(sr: string): Promise<Answer<Report>> {
    return this.#ask('SR.sync_status', { sr })
  }

  mirrors(sr: string): Promise<Answer<MirrorsAnswer>> {
    return this.#ask('SR.mirrors', { sr })
  }

  /** What this host has and no SR watches; `null`: the agent is of an older version without this method. */
  async unwatched(): Promise<Answer<UnwatchedAnswer | null>> {
    const answer = await this.#ask('SR.unwatched', {})
    return !answer.ok && answer.problem.code === 'not-understood' ? { ok: true, value: null } : answer
  }

  gate(): Promise<Answer<GateAnswer>> {
    return this.#ask('Pool.gate', {})
  }

  /** @param hosts UUIDs or names */
  canReboot(hosts: readonly string[]): Promise<Answer<CanRebootAnswer>> {
    return this.#ask('Host.can_reboot', { hosts })
  }

  setOverride(request: ParamsOf<'Override.set'>): Promise<Answer<OverrideAnswer>> {
    return this.#ask('Override.set', request)
  }

  clearOverride(host: string): Promise<Answer<unknown>> {
    return this.#ask('Override.clear', { host })
  }

  clearOrder(host: string, reason: string): Promise<Answer<unknown>> {
    return this.#ask('Order.clear', { host, reason })
  }

  async #ask<Method extends AgentMethod>(method: Method, params: ParamsOf<Method>): Promise<Answer<ResultOf<Method>>> {
    const isOfPool = !method.startsWith('SR.')
    const tooLong = AbortSignal.timeout(isOfPool ? TIMEOUT_WITH_POOL_MS : TIMEOUT_MS)
    try {
      const value = await this.#client.call(method, params, AbortSignal.any([this.#signal, tooLong]))
      return { ok: true, value }
    } catch (error) {
      if (isOfPool && tooLong.aborted) return { ok: false, problem: POOL_TOO_SLOW }
      if (error instanceof AgentUnreachable) return { ok: false, problem: away(this.#socket, error) }
      if (error instanceof AgentNotUnderstood) return { ok: false, problem: notUnderstood(error.message) }
      if (!(error instanceof JSONRPCErrorException)) throw error
      return { ok: false, problem: refusal(error) }
    }
  }
}

/** After this problem it is not known whether an override was written. */
const POOL_TOO_SLOW: AskProblem = {
  code: 'toolstackUnreachable',
  text: `the coordinator did not answer in ${TIMEOUT_WITH_POOL_MS / 1000} s`,
}

function notUnderstood(detail: string): AskProblem {
  const text = `this version does not understand the answer of the agent (${detail}); is the agent of another version?`
  return { code: 'not-understood', text }
}

function away(socket: string, { message, cause }: AgentUnreachable): AskProblem {
  const why = AWAY_TEXTS.get(codeOf(cause) ?? '') ?? (message.includes('abort') ? 'timed out' : message)
  return { code: 'agent-away', text: `the agent at ${socket} does not answer: ${why}` }
}

/** By the system's error code. */
const AWAY_TEXTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'the socket does not exist; the agent is not running, or uses another socket (--socket)'],
  ['ECONNREFUSED', 'no process listens there; the agent is not running'],
  ['EACCES', 'only its user and root may connect'],
])

function refusal({ code, message }: JSONRPCErrorException): AskProblem {
  if (code === JSONRPCErrorCode.MethodNotFound) {
    return { code: 'not-understood', text: 'the agent cannot answer that: it is of an older version' }
  }
  if (code === JSONRPCErrorCode.InvalidParams) return { code: 'bad-request', text: message }
  const names = Object.keys(AGENT_ERRORS) as AgentErrorName[]
  return { code: names.find(name => AGENT_ERRORS[name].code === code) ?? 'internal', text: message }
}
