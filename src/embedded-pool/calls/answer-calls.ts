import { ChangeAllowance } from '../dispatch/change-allowance.ts'
import { Dispatcher, type DispatcherOptions, strangersKey } from '../dispatch/dispatcher.ts'
import { FairScheduler } from '../dispatch/fair-scheduler.ts'
import { xenApiJsonRpc } from '../json-rpc.ts'
import type { AnswerBody } from '../server.ts'

interface AnswerCallsOptions extends Omit<DispatcherOptions, 'scheduler' | 'allowance'> {
  /** Milliseconds of a clock that is never set. */
  readonly steadyNow: () => number
  /** Calls of one lane that wait for their turn; one more gets TOO_BUSY. */
  readonly maxWaitingCalls: number
}

/** Answers the bodies of requests: reading one takes a turn, and so does each call in it. */
export function answerCalls({ steadyNow, maxWaitingCalls, ...options }: AnswerCallsOptions): AnswerBody {
  const scheduler = new FairScheduler({ steadyNow, maxWaitingOfALane: maxWaitingCalls })
  const dispatcher = new Dispatcher({ ...options, scheduler, allowance: new ChangeAllowance(steadyNow) })
  const jsonRpc = xenApiJsonRpc((...asked) => dispatcher.dispatch(...asked), options.onBug)
  return async (body, signal, client) => {
    await scheduler.takeAgain({ key: client.owner ?? strangersKey(client), isFirst: client.isReserved })
    return signal.aborted ? '' : ((await jsonRpc.answer(body, { signal, client })) ?? '')
  }
}
