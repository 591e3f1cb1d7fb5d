import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { ApiFailure } from './calls/api-failure.ts'
import type { CallTable } from './calls/call.ts'
import { emptyClassCalls, emptyClassNames } from './calls/empty-classes.ts'
import { eventCalls } from './calls/event-calls.ts'
import { heartbeatCalls } from './calls/heartbeat-calls.ts'
import { hostCalls } from './calls/host-calls.ts'
import { mapFieldCalls } from './calls/map-field-calls.ts'
import { membershipCalls } from './calls/membership-calls.ts'
import { messageCalls } from './calls/message-calls.ts'
import { publicRecord } from './calls/public-record.ts'
import { recordCalls } from './calls/record-calls.ts'
import { roleCalls } from './calls/role-calls.ts'
import { sessionCalls } from './calls/session-calls.ts'
import { setterCalls } from './calls/setter-calls.ts'
import { taskCalls } from './calls/task-calls.ts'
import { Database } from './database/database.ts'
import { PoolKeeper } from './database/pool-keeper.ts'
import { ChangeAllowance } from './dispatch/change-allowance.ts'
import { Dispatcher, type DispatcherOptions, keyWithoutSession } from './dispatch/dispatcher.ts'
import { FairScheduler } from './dispatch/fair-scheduler.ts'
import { type Dispatch, xenApiJsonRpc } from './dispatch/json-rpc.ts'
import { EventFeed } from './events/event-feed.ts'
import { ChangedSeqs } from './hosts/changed-seqs.ts'
import { ForgottenMembers } from './hosts/forgotten-members.ts'
import { Heartbeats } from './hosts/heartbeats.ts'
import { HostOperations } from './hosts/host-operations.ts'
import { HostPresence } from './hosts/host-presence.ts'
import { ReportTimes } from './hosts/report-times.ts'
import { POOL_DEFAULTS, type PoolOptions } from './pool-options.ts'
import { type AnswerBody, XenApiServer } from './server.ts'
import { LoginBrake } from './sessions/login-brake.ts'
import { Sessions } from './sessions/sessions.ts'
import { takeSnapshot } from './snapshot.ts'
import type { StockPoolOptions } from './stock/stock-options.ts'
import { StockXapi } from './stock/stock-xapi.ts'
import { Tasks } from './tasks/tasks.ts'

export interface PoolParts {
  readonly db: Database
  readonly presence: HostPresence
  readonly heartbeats: Heartbeats
  /** Whether heartbeats decide which hosts are live. */
  readonly isLiveByHeartbeat: boolean
  readonly operations: HostOperations
  readonly keeper: PoolKeeper
  readonly sessions: Sessions
  readonly brake: LoginBrake
  readonly tasks: Tasks
  readonly events: EventFeed
  readonly forgotten: ForgottenMembers
  readonly server: XenApiServer
  readonly snapshot: () => PoolSnapshot
  /** `null`: the pool behaves as this project. */
  readonly stock: StockXapi | null
}

/** A stock xapi asks no gate, and its hosts get no orders with their heartbeats. */
const NOT_ASKED: Pick<PoolOptions, 'gate' | 'machines' | 'authenticate'> = {
  gate: {
    claim: () => {
      throw new Error('a stock xapi asks no gate')
    },
  },
  machines: { goDown: () => undefined },
  authenticate: () => true,
}

/**
 * Creates the parts of an embedded pool in the order in which they subscribe to the database.
 * @param closing aborted when the pool closes
 * @throws StateFileError: the state file exists and cannot be used, or another process uses it
 */
export function createPoolParts(options: PoolOptions | StockPoolOptions, closing: AbortSignal): PoolParts {
  const stockOptions = options.behaveAs === 'stock' ? options : null
  const project: PoolOptions = options.behaveAs === 'stock' ? projectOptionsOf(options) : options
  const given = { ...POOL_DEFAULTS, ...project }
  const { clock, machines } = given
  const opened = PoolKeeper.open(given.stateFile, given.procDirectory)
  // In microseconds: above every generation of an earlier run that made less than a million writes per second, and above the
  // generations that it reached after its last save.
  const firstGeneration = Math.max(clock.now() * 1000, (opened.stored?.generation ?? 0) + 1_000_000)
  const db = new Database(firstGeneration, given.onBug)
  const presence = new HostPresence(db, { clock, enableDelayMs: given.enableDelayMs })
  const reportTimes = new ReportTimes(db, clock)
  const brake = new LoginBrake({
    clock,
    delayMs: given.failedLoginDelayMs,
    maxUnderWay: given.maxFailedLogins,
    reportEveryMs: given.reportFailedLoginsEveryMs,
    onFailed: given.onFailedLogins,
  })
  const sessions = new Sessions(db, {
    clock,
    authenticate: given.authenticate,
    brake,
    // only the address of a unix socket is empty
    trusts: address => stockOptions !== null && address === '',
  })
  const tasks = new Tasks(db, clock, { keepsUntilCollected: stockOptions !== null })
  const keeper = new PoolKeeper(db, presence, {
    path: given.stateFile,
    opened,
    clock,
    delayMs: given.stateDelayMs,
    onProblem: given.onStateProblem,
  })
  const assumeDeadAfterMs = given.heartbeat?.assumeDeadAfterMs ?? null
  const heartbeats = new Heartbeats(db, presence, { assumeDeadAfterMs, clock })
  const events = new EventFeed(db, {
    clock,
    batchMs: given.eventBatchMs,
    maxWaiting: given.maxWaitingEventCalls,
    maxWaitingPerSession: given.maxWaitingEventCallsPerSession,
    maxWaitingPerUser: given.maxWaitingEventCallsPerUser,
    emptyClasses: emptyClassNames(),
    show: publicRecord,
    isStock: stockOptions !== null,
    isOfHost: session => (sessions.find(session)?.host ?? null) !== null,
  })
  const forgotten = new ForgottenMembers(db, given.isConfigured)
  const changedSeqs = new ChangedSeqs(db, clock)
  const memory = (hostRef: string) => presence.memory(hostRef)
  const powerOnPlugin = (stockOptions?.machines ?? machines).powerOn !== undefined
  const snapshot = () => takeSnapshot({ db, reportTimes, changedSeqs, memory, powerOnPlugin })
  const operations = new HostOperations(db, {
    gate: given.gate,
    machines,
    presence,
    snapshot,
    clock,
    powerOnTimeoutMs: given.powerOnTimeoutMs,
    orderLifeMs: given.orderLifeMs,
    byHeartbeat: assumeDeadAfterMs !== null,
    onOrder: given.onOrder,
    saved: () => written(keeper.saved()),
  })
  const { powerOnTimeoutMs } = given
  const stock =
    stockOptions === null
      ? null
      : new StockXapi(stockOptions, { db, presence, tasks, sessions, snapshot, powerOnTimeoutMs, onBug: given.onBug })
  const ofProject: CallTable = {
    ...recordCalls(db),
    ...setterCalls(db),
    ...mapFieldCalls(db, reportTimes, tasks),
    ...sessionCalls(db, sessions, { clock, allCalls: () => calls }),
    ...taskCalls(db, tasks),
    ...messageCalls(db, clock),
    ...eventCalls(events),
    ...hostCalls({ operations, presence, plugins: given.plugins, hostNow: hostRef => heartbeats.hostNow(hostRef) }),
    ...membershipCalls(db, presence, forgotten),
    ...heartbeatCalls({ db, heartbeats, orders: operations.orders, changedSeqs, sessions }),
    ...roleCalls(() => calls),
    ...emptyClassCalls(),
  }
  const calls = stock?.callsInPlaceOf(ofProject) ?? ofProject
  const keep = (undo: () => void) => written(keeper.keep(undo))
  const isStock = stock !== null
  const requests = requestsOf(given, { db, sessions, tasks, calls, closing, keep, isStock })
  stock?.answerWith(requests.dispatch)
  const server = new XenApiServer(requests.answer, given.onBug)
  const isLiveByHeartbeat = assumeDeadAfterMs !== null
  const ofHosts = { presence, heartbeats, isLiveByHeartbeat, operations, forgotten }
  return { db, ...ofHosts, keeper, sessions, brake, tasks, events, server, snapshot, stock }
}

function projectOptionsOf({ behaveAs: _, machines: __, ...options }: StockPoolOptions): PoolOptions {
  return { ...NOT_ASKED, ...options }
}

type AnswererOptions = Required<
  Pick<PoolOptions, 'clock' | 'maxCallsUnderWay' | 'maxWaitingCalls' | 'onBug' | 'onRefused'>
>
type DispatcherParts = Pick<DispatcherOptions, 'db' | 'sessions' | 'tasks' | 'calls' | 'closing' | 'keep' | 'isStock'>

/** Runs calls, and answers request bodies: reading a body takes one turn of the scheduler, and each call in it takes another one. */
function requestsOf(
  given: AnswererOptions,
  parts: DispatcherParts,
): { readonly dispatch: Dispatch; readonly answer: AnswerBody } {
  const { clock, maxCallsUnderWay: maxUnderWay, maxWaitingCalls, onBug, onRefused } = given
  const scheduler = new FairScheduler({ clock, maxWaitingOfALane: maxWaitingCalls })
  const allowance = new ChangeAllowance(clock)
  const dispatcher = new Dispatcher({ ...parts, scheduler, allowance, maxUnderWay, onBug, onRefused })
  const dispatch: Dispatch = (...call) => dispatcher.dispatch(...call)
  const jsonRpc = xenApiJsonRpc(dispatch, onBug)
  const answer: AnswerBody = async (body, signal, client) => {
    await scheduler.takeAgain({ key: client.owner ?? keyWithoutSession(client), isFirst: client.isReserved })
    return signal.aborted ? '' : ((await jsonRpc.answer(body, { signal, client })) ?? '')
  }
  return { dispatch, answer }
}

/** `onStateProblem` reports the cause; clients must not see it. @throws ApiFailure INTERNAL_ERROR */
async function written(writing: Promise<void>): Promise<void> {
  try {
    await writing
  } catch {
    throw new ApiFailure('INTERNAL_ERROR', 'the state of the pool cannot be written')
  }
}
