import type { Named } from '../../agent-api/answers.ts'
import { deadline, foregroundClock, sleep } from '../../platform/time/clock.ts'
import type { AgentQueries, AskProblem } from '../ask/agent-queries.ts'
import { interruption } from '../ask/interruption.ts'
import { type Found, findNamed, namesFromGate } from '../ask/names.ts'
import { queriesOf, SHELL_OPTIONS, SHELL_OPTIONS_HELP } from '../ask/shell-command.ts'
import { escaped } from '../screen/screen-text.ts'
import { type Command, durationOf, readOptions, UsageError } from '../terminal.ts'
import { GatePoller } from './gate-poller.ts'
import { factsOfGate, factsOfReports, unknownFacts, type WaitFacts } from './wait-facts.ts'
import { WaitOutput } from './wait-output.ts'
import { WAIT_EXIT, WaitVerdict } from './wait-verdict.ts'

const HELP = `usage: resync-monitor wait [--sr SR | --host HOST] [OPTION…]

Waits until all SRs of this host are in sync, or one SR; with --host until the coordinator's gate allows that host to go down.
Prints the progress on standard error.

  --sr SR              wait for this SR only: a name, a UUID, or the first four or more characters of a UUID
  --host HOST          wait until this host of the pool may go down: named in the same ways
  --timeout DURATION   90s, 10m, 2h: give up after this time (default: no limit)
  --unknown-after DURATION
                       give up if the state is unknown, or the agent does not answer, for this time (default 60s)
  --operator-after DURATION
                       give up if an operator has to act, for this time (default 60s)
${SHELL_OPTIONS_HELP}

Exit codes: 0 in sync, or the host may go down; 1 timed out; 2 unknown; 3 needs an operator (resync-monitor explain);
64 wrong usage; 130 interrupted.

Examples: resync-monitor wait && echo "in sync"
          xe host-disable host=hostB && xe host-evacuate host=hostB &&
            resync-monitor wait --host hostB --timeout 2h && xe host-reboot host=hostB
`

const POLL_EVERY_MS = 1_000
/** Each poll makes the coordinator judge the whole pool. */
const POLL_GATE_EVERY_MS = 2_000

export const wait: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, {
      ...SHELL_OPTIONS,
      sr: { type: 'string' },
      host: { type: 'string' },
      timeout: { type: 'string' },
      'unknown-after': { type: 'string' },
      'operator-after': { type: 'string' },
    })
    const [surplus] = options.operands
    if (surplus !== undefined)
      throw new UsageError(`'${surplus}' is not expected here; --sr or --host names what to wait for`)
    const [sr, host] = [options.text('sr'), options.text('host')]
    if (sr !== undefined && host !== undefined) throw new UsageError('--sr and --host do not go together')
    const timeout = options.text('timeout')
    const limits = {
      timeoutSeconds: timeout === undefined ? null : durationOf('timeout', timeout),
      unknownAfterSeconds: durationOf('unknown-after', options.text('unknown-after') ?? '60s'),
      operatorAfterSeconds: durationOf('operator-after', options.text('operator-after') ?? '60s'),
    }
    const interrupted = interruption()
    const timedOut = timeoutSignal(limits.timeoutSeconds)
    // A call that is still open would keep the process alive.
    const over = new AbortController()
    const agent = queriesOf(options, AbortSignal.any([interrupted.signal, timedOut, over.signal]))
    const poller = new GatePoller(agent, () => foregroundClock.steadyNow())
    const verdict = new WaitVerdict(limits, foregroundClock.steadyNow())
    const output = new WaitOutput(terminal, options, host === undefined ? 'sr' : 'host')
    let last: WaitFacts | null = null
    try {
      for (;;) {
        const found = host === undefined ? await pollReports(agent, poller, sr) : await pollGate(agent, host)
        if (found.subject !== null) output.setSubject(found.subject)
        // At the timeout, or with Ctrl-C, an open call fails for that reason alone.
        const isCut = (timedOut.aborted || interrupted.signal.aborted) && found.facts.state === 'unknown'
        const facts: WaitFacts = isCut ? (last ?? found.facts) : found.facts
        last = facts
        if (interrupted.signal.aborted) return output.end(WAIT_EXIT.interrupted, facts)
        const code = verdict.take(facts, foregroundClock.steadyNow())
        if (code !== null) return output.end(code, facts)
        output.progress(facts)
        const everyMs = host === undefined ? POLL_EVERY_MS : POLL_GATE_EVERY_MS
        await sleep(
          foregroundClock,
          Math.min(everyMs, verdict.leftMs(foregroundClock.steadyNow()) ?? everyMs),
          interrupted.signal,
        )
      }
    } finally {
      over.abort()
      interrupted.end()
    }
  },
}

/** Ends a call that is still open at the timeout. A longer time does not fit into a timer. */
function timeoutSignal(timeoutSeconds: number | null): AbortSignal {
  const isInReach = timeoutSeconds !== null && timeoutSeconds * 1000 < 2 ** 31
  return isInReach ? deadline(timeoutSeconds * 1000) : new AbortController().signal
}

/** The result of one poll. */
interface WaitPoll {
  readonly facts: WaitFacts
  /** The SR or host of the operand; `null`: none was given, or it could not be resolved. */
  readonly subject: Named | null
}

function unknownPoll({ code, text }: AskProblem, subject: Named | null = null): WaitPoll {
  return { facts: unknownFacts(code, text), subject }
}

/** @throws UsageError: there is no such SR here */
async function pollReports(agent: AgentQueries, poller: GatePoller, wanted: string | undefined): Promise<WaitPoll> {
  const listed = await agent.srs()
  if (!listed.ok) return unknownPoll(listed.problem)
  let srs = listed.value.map(({ sr }) => sr)
  let subject: Named | null = null
  if (wanted !== undefined) {
    const found = await findSr(wanted, srs, agent)
    if (!found.ok) throw new UsageError(`--sr: ${escaped(found.why)}`)
    subject = found.value
    srs = [subject.uuid]
  }
  const reports = await Promise.all(srs.map(sr => agent.report(sr)))
  const unknown = reports.find(answer => !answer.ok)
  if (unknown?.ok === false) return unknownPoll(unknown.problem, subject)
  const answer = reports.flatMap(each => (each.ok ? [each.value] : []))
  const gate = answer.some(({ state }) => state !== 'synced') ? poller.latest() : null
  return { facts: factsOfReports(answer, gate), subject }
}

/** Finds an SR of this host by UUID; by its name only the gate can. */
async function findSr(wanted: string, srs: readonly string[], agent: AgentQueries): Promise<Found<Named>> {
  const byUuid = findNamed(
    wanted,
    srs.map(uuid => ({ uuid, name: '' })),
    'SR',
  )
  if (byUuid.ok) return byUuid
  const named = namesFromGate(await agent.gate()).filter(({ uuid }) => srs.includes(uuid))
  return named.length === 0 ? byUuid : findNamed(wanted, named, 'SR')
}

/** @throws UsageError: there is no such host in the pool */
async function pollGate(agent: AgentQueries, host: string): Promise<WaitPoll> {
  const answer = await agent.canReboot([host])
  if (answer.ok) return { facts: factsOfGate(answer.value), subject: answer.value.hosts[0] ?? null }
  if (answer.problem.code === 'bad-request') throw new UsageError(`--host: ${escaped(answer.problem.text)}`)
  return unknownPoll(answer.problem)
}
