import { randomUUID } from 'node:crypto'
import type { XapiError } from '../allowed-operations/host-operation.ts'
import { ApiFailure } from './api-failure.ts'
import { Arguments, type Call, type CallContext, type CallTable } from './call.ts'
import type { Database } from './database.ts'
import type { Sessions } from './sessions.ts'
import type { Tasks } from './tasks.ts'

/** How a call ended: XenAPI's result or XenAPI's error. */
export type CallOutcome = { readonly result: unknown } | { readonly error: XapiError }

export interface DispatcherOptions {
  readonly db: Database
  readonly sessions: Sessions
  readonly tasks: Tasks
  readonly calls: CallTable
  /** Aborted when the pool closes: what asynchronous calls still do ends then, not when their client goes. */
  readonly closing: AbortSignal
  readonly onBug: (bug: unknown) => void
}

const ASYNC = 'Async.'

/** Finds the method, checks the number of parameters and the session, runs it, and answers in XenAPI's terms always. */
export class Dispatcher {
  readonly #options: DispatcherOptions
  readonly #calls: ReadonlyMap<string, Call>

  constructor(options: DispatcherOptions) {
    this.#options = options
    this.#calls = new Map([...Object.entries(options.calls), ['system.listMethods', this.#listMethods()]])
  }

  /**
   * Runs one call. It never rejects: a failure is an error of XenAPI, and a bug is INTERNAL_ERROR without its text.
   * @param params positional; the session's ref comes first where the method needs one.
   */
  async dispatch(method: string, params: readonly unknown[], signal: AbortSignal): Promise<CallOutcome> {
    try {
      const isAsync = method.startsWith(ASYNC)
      const name = isAsync ? method.slice(ASYNC.length) : method
      const call = this.#calls.get(name)
      if (call === undefined || (isAsync && call.async === undefined)) {
        return { error: ['MESSAGE_METHOD_UNKNOWN', method] }
      }
      // stock counts first (gen_server.ml), so a wrong count is told whatever the session
      assertCount(method, call, params.length)
      const session = call.session === false ? '' : this.#options.sessions.check(params[0])
      const args = new Arguments(call.session === false ? params : params.slice(1), this.#options.db)
      if (isAsync) return { result: this.#start(name, call, args, session) }
      const task = `DummyRef:|${randomUUID()}|task=${name}`
      return { result: (await call.run(args, { session, task, signal })) ?? '' }
    } catch (failure) {
      return { error: this.#describe(failure) }
    }
  }

  /** Runs the call behind a task's back: the task's ref is the answer, its record tells the rest. */
  #start(name: string, call: Call, args: Arguments, session: string): string {
    const { tasks, closing } = this.#options
    const task = tasks.create(`${ASYNC}${name}`, '')
    const run = async (context: CallContext) => call.run(args, context)
    run({ session, task, signal: closing }).then(
      result => tasks.succeed(task, typeof result === 'string' ? `<value>${escapeXml(result)}</value>` : ''),
      failure => tasks.fail(task, this.#describe(failure)),
    )
    return task
  }

  #describe(failure: unknown): XapiError {
    if (failure instanceof ApiFailure) return failure.description
    this.#options.onBug(failure)
    return ['INTERNAL_ERROR', 'see the log of the pool']
  }

  #listMethods(): Call {
    return {
      parameters: 0,
      session: false,
      run: () => [
        ...this.#calls.keys(),
        ...Array.from(this.#calls)
          .filter(([, call]) => call.async)
          .map(([name]) => ASYNC + name),
      ],
    }
  }
}

function assertCount(method: string, call: Call, given: number): void {
  const [fewest, most] = typeof call.parameters === 'number' ? [call.parameters, call.parameters] : call.parameters
  const count = call.session === false ? given : given - 1
  if (count < fewest || count > most) {
    throw new ApiFailure('MESSAGE_PARAMETER_COUNT_MISMATCH', method, String(fewest), String(count))
  }
}

function escapeXml(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
