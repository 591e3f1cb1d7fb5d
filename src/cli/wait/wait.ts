import type { Named } from '../../agent-api/answers.ts'
import { deadline } from '../../platform/time/deadline.ts'
import { pause } from '../../platform/time/pause.ts'
import type { AgentTalk, AskProblem } from '../ask/agent-talk.ts'
import { interruption } from '../ask/interruption.ts'
import { findNamed } from '../ask/named-operand.ts'
import { SHELL_OPTIONS, SHELL_OPTIONS_HELP, talkOf } from '../ask/shell-command.ts'
import { durationOf } from '../screen/duration.ts'
import { GateGlance } from '../screen/gate-glance.ts'
import { shown } from '../screen/screen-text.ts'
import { type Command, readOptions, UsageError } from '../terminal.ts'
import { factsOfGate, factsOfReports, unknownFacts, type WaitFacts } from './wait-facts.ts'
import { WaitTeller } from './wait-teller.ts'
import { WAIT_EXIT, WaitVerdict } from './wait-verdict.ts'

const HELP = `usage: resync-monitor wait [--sr SR | --host HOST] [OPTION…]

Waits until all SRs of this host are in sync, or the one that is named; or, with --host, until the coordinator's gate lets
that host be down. Tells its progress on standard error.

  --sr SR              UUID of an SR, or a beginning of it of four characters or more
  --host HOST          name or UUID of a host of the pool, or a beginning of the UUID
  --timeout DURATION   90s, 10m, 2h: how long to wait at most (default: without end)
  --unknown-after DURATION
                       give up when the state is not known, or the agent away, for so long (default 60s)
  --operator-after DURATION
                       give up when waiting alone will not do, and somebody has to act, for so long (default 60s)
${SHELL_OPTIONS_HELP}

Exits with 0 in sync, 1 after the timeout, 2 if it stays unknown, 3 if it needs an operator (resync-monitor explain).

Examples: resync-monitor wait && echo "in sync"
          xe host-disable host=hostB && xe host-evacuate host=hostB &&
            resync-monitor wait --host hostB --timeout 2h && xe host-reboot host=hostB
`

const LOOK_EVERY_MS = 1_000
/** Each look makes the coordinator judge the whole pool. */
const ASK_GATE_EVERY_MS = 2_000

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
    const patience = {
      timeoutSeconds: timeout === undefined ? null : durationOf('timeout', timeout),
      unknownAfterSeconds: durationOf('unknown-after', options.text('unknown-after') ?? '60s'),
      operatorAfterSeconds: durationOf('operator-after', options.text('operator-after') ?? '60s'),
    }
    const interrupted = interruption()
    const timeOver = timeOverOf(patience.timeoutSeconds)
    // A question that nobody waits for would keep the process alive.
    const over = new AbortController()
    const talk = talkOf(options, AbortSignal.any([interrupted.signal, timeOver, over.signal]))
    const glance = new GateGlance(talk, () => performance.now())
    const verdict = new WaitVerdict(patience, performance.now())
    const teller = new WaitTeller(terminal, options, host === undefined ? 'sr' : 'host')
    let last: WaitFacts | null = null
    try {
      for (;;) {
        const found = host === undefined ? await lookAtReports(talk, glance, sr) : await askGate(talk, host)
        if (found.subject !== null) teller.meet(found.subject)
        // What was asked when the time was over, or Ctrl-C pressed, got no answer for that reason alone.
        const isCut = (timeOver.aborted || interrupted.signal.aborted) && found.facts.state === 'unknown'
        const facts: WaitFacts = isCut ? (last ?? found.facts) : found.facts
        last = facts
        if (interrupted.signal.aborted) return teller.end(WAIT_EXIT.interrupted, facts)
        const code = verdict.take(facts, performance.now())
        if (code !== null) return teller.end(code, facts)
        teller.tell(facts)
        const everyMs = host === undefined ? LOOK_EVERY_MS : ASK_GATE_EVERY_MS
        await pause(Math.min(everyMs, verdict.leftMs(performance.now()) ?? everyMs), interrupted.signal)
      }
    } finally {
      over.abort()
      interrupted.end()
    }
  },
}

/** Ends a question that is still open when the time is over. Timers know no longer times than this. */
function timeOverOf(timeoutSeconds: number | null): AbortSignal {
  const isInReach = timeoutSeconds !== null && timeoutSeconds * 1000 < 2 ** 31
  return isInReach ? deadline(timeoutSeconds * 1000) : new AbortController().signal
}

/** What one look has found. */
interface WaitLook {
  readonly facts: WaitFacts
  /** What the operand means; `null`: it names nothing, or nobody could tell. */
  readonly subject: Named | null
}

function notKnown({ code, text }: AskProblem, subject: Named | null = null): WaitLook {
  return { facts: unknownFacts(code, text), subject }
}

/** @throws UsageError: there is no such SR here */
async function lookAtReports(talk: AgentTalk, glance: GateGlance, wanted: string | undefined): Promise<WaitLook> {
  const listed = await talk.srs()
  if (!listed.ok) return notKnown(listed.problem)
  let srs = listed.value.map(({ sr }) => sr)
  let subject: Named | null = null
  if (wanted !== undefined) {
    const found = findNamed(
      wanted,
      srs.map(uuid => ({ uuid, name: '' })),
      'SR',
    )
    if (!found.ok) throw new UsageError(`--sr: ${shown(found.why)}`)
    subject = found.value
    srs = [subject.uuid]
  }
  const reports = await Promise.all(srs.map(sr => talk.report(sr)))
  const unknown = reports.find(told => !told.ok)
  if (unknown?.ok === false) return notKnown(unknown.problem, subject)
  const told = reports.flatMap(each => (each.ok ? [each.value] : []))
  const gate = told.some(({ state }) => state !== 'synced') ? glance.take() : null
  return { facts: factsOfReports(told, gate), subject }
}

/** @throws UsageError: there is no such host in the pool */
async function askGate(talk: AgentTalk, host: string): Promise<WaitLook> {
  const told = await talk.canReboot([host])
  if (told.ok) return { facts: factsOfGate(told.value), subject: told.value.hosts[0] ?? null }
  if (told.problem.code === 'bad-request') throw new UsageError(`--host: ${shown(told.problem.text)}`)
  return notKnown(told.problem)
}
