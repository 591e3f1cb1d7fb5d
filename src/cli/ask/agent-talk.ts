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
import type { Report } from '../../sync-query/report/report.ts'

/** `agent-away`: nobody answers; `bad-request`: what was asked for makes no sense there; the others as in `AGENT_ERRORS`. */
type AskProblemCode = 'agent-away' | 'not-understood' | 'bad-request' | 'internal' | AgentErrorName

/** A question that got no answer, with a sentence for people. */
export interface AskProblem {
  readonly code: AskProblemCode
  readonly text: string
}

export type Told<T> = { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: AskProblem }

/** An agent answers from its memory. */
const PATIENCE_MS = 10_000
/** It asks the coordinator in turn, which may be the host that reboots: somebody waits for the rest meanwhile. */
const PATIENCE_WITH_POOL_MS = 15_000

/** Asks this host's agent. What cannot be answered is a value; nothing here throws but bugs. */
export class AgentTalk {
  readonly #client: AgentClient
  readonly #socket: string
  readonly #signal: AbortSignal

  /** @param signal ends every question that is still open */
  constructor(socket: string, signal: AbortSignal = new AbortController().signal) {
    this.#client = new AgentClient(socket)
    this.#socket = socket
    this.#signal = signal
  }

  srs(): Promise<Told<readonly ListedSr[]>> {
    return this.#ask('SR.list', {})
  }

  report(sr: string): Promise<Told<Report>> {
    return this.#ask('SR.sync_status', { sr })
  }

  mirrors(sr: string): Promise<Told<MirrorsAnswer>> {
    return this.#ask('SR.mirrors', { sr })
  }

  /** What this host has and no SR watches; `null`: the agent is of an older version, which does not say. */
  async unwatched(): Promise<Told<UnwatchedAnswer | null>> {
    const told = await this.#ask('SR.unwatched', {})
    return !told.ok && told.problem.code === 'not-understood' ? { ok: true, value: null } : told
  }

  gate(): Promise<Told<GateAnswer>> {
    return this.#ask('Pool.gate', {})
  }

  /** @param hosts UUIDs or names */
  canReboot(hosts: readonly string[]): Promise<Told<CanRebootAnswer>> {
    return this.#ask('Host.can_reboot', { hosts })
  }

  setOverride(request: ParamsOf<'Override.set'>): Promise<Told<OverrideAnswer>> {
    return this.#ask('Override.set', request)
  }

  clearOverride(host: string): Promise<Told<unknown>> {
    return this.#ask('Override.clear', { host })
  }

  clearOrder(host: string, reason: string): Promise<Told<unknown>> {
    return this.#ask('Order.clear', { host, reason })
  }

  async #ask<Method extends AgentMethod>(method: Method, params: ParamsOf<Method>): Promise<Told<ResultOf<Method>>> {
    const isOfPool = !method.startsWith('SR.')
    const tooLong = AbortSignal.timeout(isOfPool ? PATIENCE_WITH_POOL_MS : PATIENCE_MS)
    try {
      const value = await this.#client.call(method, params, AbortSignal.any([this.#signal, tooLong]))
      return { ok: true, value }
    } catch (error) {
      if (isOfPool && tooLong.aborted) return { ok: false, problem: POOL_TOO_SLOW }
      if (error instanceof AgentUnreachable) return { ok: false, problem: away(this.#socket, error.message) }
      if (error instanceof AgentNotUnderstood) return { ok: false, problem: notUnderstood(error.message) }
      if (!(error instanceof JSONRPCErrorException)) throw error
      return { ok: false, problem: refusal(error) }
    }
  }
}

/** Whether an override was written is not known then. */
const POOL_TOO_SLOW: AskProblem = {
  code: 'toolstackUnreachable',
  text: `the coordinator has not answered within ${PATIENCE_WITH_POOL_MS / 1000} s`,
}

function notUnderstood(detail: string): AskProblem {
  const text = `this version does not understand the answer of the agent (${detail}); is the agent of another version?`
  return { code: 'not-understood', text }
}

function away(socket: string, message: string): AskProblem {
  const [, why = message] = REASONS_TO_BE_AWAY.find(([sign]) => message.includes(sign)) ?? []
  return { code: 'agent-away', text: `the agent at ${socket} does not answer: ${why}` }
}

const REASONS_TO_BE_AWAY: readonly (readonly [sign: string, why: string])[] = [
  ['ENOENT', 'there is no such socket; the agent is not running, or answers elsewhere (--socket)'],
  ['ECONNREFUSED', 'nobody listens there; the agent is not running'],
  ['EACCES', 'only its own user and root may connect'],
  ['abort', 'it takes too long'],
]

function refusal({ code, message }: JSONRPCErrorException): AskProblem {
  if (code === JSONRPCErrorCode.MethodNotFound) {
    return { code: 'not-understood', text: 'the agent cannot answer that: it is of an older version' }
  }
  if (code === JSONRPCErrorCode.InvalidParams) return { code: 'bad-request', text: message }
  const names = Object.keys(AGENT_ERRORS) as AgentErrorName[]
  return { code: names.find(name => AGENT_ERRORS[name].code === code) ?? 'internal', text: message }
}
