import { randomUUID } from 'node:crypto'
import type { XapiError } from '../../allowed-operations/pool/host-operation.ts'
import type { RequestClient } from '../../platform/http/http-route.ts'
import type { RefusedCall } from '../../updater/decision-events.ts'
import { ApiFailure, CallFailure, GateRefusal } from '../calls/api-failure.ts'
import { Arguments, type Call, type CallContext, type Caller, type CallTable } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import { assertRole, HOST_AGENT, isUnbounded, mayAgentCall, permissionOf } from '../sessions/roles.ts'
import type { Sessions } from '../sessions/sessions.ts'
import type { Tasks } from '../tasks/tasks.ts'
import type { ChangeAllowance } from './change-allowance.ts'
import type { FairScheduler, Lane } from './fair-scheduler.ts'

/** How a call ended: XenAPI's result or XenAPI's error. */
export type CallOutcome = { readonly result: unknown } | { readonly error: XapiError }

export interface DispatcherOptions {
  readonly db: Database
  readonly sessions: Sessions
  readonly tasks: Tasks
  readonly calls: CallTable
  readonly scheduler: FairScheduler
  readonly allowance: ChangeAllowance
  /** Aborted when the pool closes: this ends asynchronous calls. The departure of their client does not end them. */
  readonly closing: AbortSignal
  /** Concurrent calls of the methods that may take long (those with an asynchronous form); a further one gets TOO_BUSY. */
  readonly maxUnderWay: number
  /**
   * As stock xapi: a synchronous call that changes something has a task in the database while it runs, and an unknown method of an
   * invalid session is SESSION_INVALID. Default false.
   */
  readonly isStock?: boolean
  /** Resolves when the writes of a call are on disk, if the pool has a state file. @throws ApiFailure: they cannot be, and are undone */
  readonly keep: (undo: () => void) => Promise<void>
  readonly onBug: (bug: unknown) => void
  /** Called for every call that is answered with an error. Must not throw. */
  readonly onRefused: (refused: RefusedCall) => void
}

const ASYNC = 'Async.'

/** Limits of a kept error: its parameters may contain text of the client. */
const MAX_ERROR_ITEMS = 8
const MAX_ITEM_LENGTH = 256

/** Runs XenAPI calls: finds the method, checks the number of parameters, the session and the role, and returns a result or an error. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #calls: ReadonlyMap<string, Call>
  readonly #underscored: ReadonlyMap<string, string>
  #underWay = 0

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#calls = new Map([...Object.entries(options.calls), ['system.listMethods', this.#listMethods()]])
    this.#underscored = new Map([...this.#calls.keys()].map(name => [name.replace('.', '_'), name]))
  }

  /**
   * Runs one call when the caller has its turn. It never rejects: a failure becomes an error of XenAPI, and a bug becomes
   * INTERNAL_ERROR without its text.
   * @param params positional; the first one is the ref of the session if the method needs one.
   */
  async dispatch(
    method: string,
    params: readonly unknown[],
    signal: AbortSignal,
    client: RequestClient,
  ): Promise<CallOutcome> {
    const isAsync = method.startsWith(ASYNC)
    const name = this.#nameOf(isAsync ? method.slice(ASYNC.length) : method)
    const call = this.#calls.get(name)
    let user = ''
    const refused = (failure: unknown) =>
      this.#refused(call === undefined ? undefined : { name, call }, params, user, failure)
    try {
      const lane = this.#laneOf(params, client)
      await this.#options.scheduler.take(lane)
      // the client disconnected while the call waited: do not start it
      if (signal.aborted) throw new ApiFailure('TOO_BUSY')
      if (call === undefined || (isAsync && call.async === undefined)) {
        if (this.#options.isStock === true) this.#options.sessions.check(params[0])
        throw new ApiFailure('MESSAGE_METHOD_UNKNOWN', method)
      }
      // stock xapi counts the parameters before it checks the session (gen_server.ml)
      assertCount(method, call, params.length)
      const caller = this.#caller(call, params)
      user = caller.user
      this.#admit(name, call, caller, params)
      const args = new Arguments(call.role === null ? params : params.slice(1), this.#options.db)
      if (call.async && this.#underWay >= this.#options.maxUnderWay) throw new ApiFailure('TOO_BUSY')
      const where = { address: client.address, turn: () => this.#options.scheduler.takeAgain(lane) }
      if (isAsync) return { result: this.#start(name, call, args, { ...caller, ...where }, refused) }
      const result = await this.#runSync(name, call, args, { ...caller, ...where, signal })
      // the call may have changed the rank of the session, for example with a heartbeat: apply it to the connection
      if (call.role !== null) this.#laneOf(params, client)
      return { result: result ?? '' }
    } catch (failure) {
      return { error: refused(failure) }
    }
  }

  /** The lane of a call, and the owner of its connection: a session of a host, a user at one address, or an address without a session. */
  #laneOf([ref]: readonly unknown[], client: RequestClient): Lane {
    const session = this.#options.sessions.find(ref)
    if (session === undefined) return { key: keyWithoutSession(client), isFirst: false }
    const isFirst = session.host !== null
    const key = isFirst ? `session ${session.caller.session}` : `user ${session.caller.user} at ${client.address}`
    client.own(key, isFirst)
    return { key, isFirst }
  }

  /** Stock xapi accepts `class_method` for `class.method` (gen_server.ml). */
  #nameOf(method: string): string {
    return this.#underscored.get(method) ?? method
  }

  /** @throws ApiFailure SESSION_INVALID */
  #caller({ role }: Call, params: readonly unknown[]): Caller {
    return role === null ? ANONYMOUS : this.#options.sessions.check(params[0])
  }

  /** @throws ApiFailure RBAC_PERMISSION_DENIED, TOO_BUSY */
  #admit(name: string, { role, isChange }: Call, caller: Caller, params: readonly unknown[]): void {
    if (role === null) return
    const isAgentCall = caller.role === HOST_AGENT && mayAgentCall(name, params.slice(1))
    if (!isAgentCall) assertRole(caller.role, role, permissionOf(name))
    if (isChange && !isUnbounded(caller.role)) this.#options.allowance.spend(caller.user)
  }

  async #runSync(name: string, call: Call, args: Arguments, context: Omit<CallContext, 'task'>): Promise<unknown> {
    const { tasks, closing, isStock } = this.#options
    if (isStock !== true || !hasSyncTask(name, call)) {
      return this.#run(call, args, { ...context, task: `DummyRef:|${randomUUID()}|task=${name}` })
    }
    const { ref, cancelled } = tasks.begin(name, context)
    try {
      return await this.#run(call, args, { ...context, task: ref, signal: AbortSignal.any([closing, cancelled]) })
    } finally {
      // the clients that the task has woken read it before it is gone
      await new Promise(resolve => setImmediate(resolve))
      tasks.discard(ref)
    }
  }

  /** Starts an asynchronous call and returns the ref of its task. The record of the task gets the result or the error. */
  #start(
    name: string,
    call: Call,
    args: Arguments,
    caller: Omit<CallContext, 'task' | 'signal'>,
    refused: (failure: unknown) => XapiError,
  ): string {
    const { tasks, closing } = this.#options
    const { ref, cancelled } = tasks.begin(`${ASYNC}${name}`, caller)
    this.#run(call, args, { ...caller, task: ref, signal: AbortSignal.any([closing, cancelled]) }).then(
      result => tasks.succeed(ref, typeof result === 'string' ? `<value>${escapeXml(result)}</value>` : ''),
      failure => tasks.fail(ref, refused(cancelled.aborted ? cancelled.reason : failure)),
    )
    return ref
  }

  async #run(call: Call, args: Arguments, context: CallContext): Promise<unknown> {
    const weight = call.async ? 1 : 0
    this.#underWay += weight
    try {
      // A call that fails changes nothing: its writes are undone if it throws or if they cannot be kept.
      const { result, undo } = this.#options.db.recorded(() => call.run(args, context))
      if (call.durable) await this.#options.keep(undo)
      return await result
    } finally {
      this.#underWay -= weight
    }
  }

  /** Reports a failed call once and returns its error. */
  #refused(
    called: Parameters<typeof refusedCall>[0],
    params: readonly unknown[],
    user: string,
    failure: unknown,
  ): XapiError {
    const error = this.#describe(failure)
    this.#options.onRefused(refusedCall(called, params, user, failure, error, this.#options.db))
    return error
  }

  #describe(failure: unknown): XapiError {
    if (failure instanceof CallFailure) return failure.description
    this.#options.onBug(failure)
    return ['INTERNAL_ERROR', 'see the log of the pool']
  }

  #listMethods(): Call {
    return {
      parameters: 0,
      role: null,
      run: () => [
        ...this.#calls.keys(),
        ...Array.from(this.#calls)
          .filter(([, call]) => call.async)
          .map(([name]) => ASYNC + name),
      ],
    }
  }
}

/** The key of the lane that all clients without a session at one address share. */
export function keyWithoutSession({ address }: RequestClient): string {
  return `address ${address}`
}

/** Classes whose calls have no task in stock xapi (`no_task_id_for`), and session, whose calls change no public record. */
const WITHOUT_SYNC_TASK: ReadonlySet<string> = new Set(['task', 'event', 'session'])

function hasSyncTask(name: string, { role, isChange }: Call): boolean {
  const changes = role !== null && (role !== 'read-only' || isChange === true)
  return changes && !WITHOUT_SYNC_TASK.has(name.split('.')[0] ?? '')
}

/** The caller of a method that needs no session. */
const ANONYMOUS: Caller = { session: '', user: '', role: 'read-only' }

function assertCount(method: string, call: Call, given: number): void {
  const [fewest, most] = typeof call.parameters === 'number' ? [call.parameters, call.parameters] : call.parameters
  const count = call.role === null ? given : given - 1
  if (count < fewest || count > most) {
    throw new ApiFailure('MESSAGE_PARAMETER_COUNT_MISMATCH', method, String(fewest), String(count))
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}

/**
 * Describes a call that was answered with an error.
 * @param called the method and its call; `undefined`: there is no such method
 * @param params with the ref of the session first
 */
function refusedCall(
  called: { readonly name: string; readonly call: Call } | undefined,
  params: readonly unknown[],
  user: string,
  failure: unknown,
  error: XapiError,
  db: Database,
): RefusedCall {
  const [, about] = params
  const [code, ...details] = error
  const changes = called !== undefined && called.call.role !== null && called.call.role !== 'read-only'
  return {
    method: called?.name ?? '',
    host: typeof about === 'string' && db.has('host', about) ? about : null,
    user,
    error: [code, ...details.slice(0, MAX_ERROR_ITEMS).map(item => item.slice(0, MAX_ITEM_LENGTH))],
    reasons: failure instanceof GateRefusal ? failure.reasons : [],
    isDecision: user !== '' && (changes || (failure instanceof CallFailure && code === 'RBAC_PERMISSION_DENIED')),
  }
}
