import t from 'tap'
import { factsOfGate, factsOfReports } from '../../../src/cli/shell/wait-facts.ts'
import { WAIT_EXIT, WaitVerdict } from '../../../src/cli/shell/wait-verdict.ts'
import type { Report } from '../../../src/sync-query/report.ts'
import { copying, givenUp, HOST_B, HOST_C, resyncingThere, ScriptedAgent, SR, silent } from './scripted-agent.ts'

const PATIENCE = { timeoutSeconds: 100, unknownAfterSeconds: 60, operatorAfterSeconds: 10 }
const WAITING = { state: 'waiting', needsOperator: false } as const
const STUCK = { state: 'waiting', needsOperator: true } as const
const UNKNOWN = { state: 'unknown', needsOperator: false } as const

t.test('what has come ends the wait at once, and the time ends it in any case', async t => {
  const verdict = new WaitVerdict(PATIENCE, 0)
  t.equal(verdict.take(WAITING, 1_000), null)
  t.equal(verdict.leftMs(1_000), 99_000)
  t.equal(verdict.take(WAITING, 100_000), WAIT_EXIT.timeout)
  t.equal(verdict.take({ state: 'reached', needsOperator: false }, 200_000), WAIT_EXIT.reached)
  t.equal(new WaitVerdict({ ...PATIENCE, timeoutSeconds: null }, 0).take(WAITING, 1e12), null)
})

t.test('unknown or stuck must last without a break', async t => {
  const verdict = new WaitVerdict({ ...PATIENCE, timeoutSeconds: null }, 0)
  t.equal(verdict.take(UNKNOWN, 0), null)
  t.equal(verdict.take(WAITING, 50_000), null)
  t.equal(verdict.take(UNKNOWN, 59_000), null)
  t.equal(verdict.take(UNKNOWN, 118_999), null)
  t.equal(verdict.take(UNKNOWN, 119_000), WAIT_EXIT.unknown)
  t.equal(verdict.take(STUCK, 120_000), null)
  t.equal(verdict.take(WAITING, 129_000), null)
  t.equal(verdict.take(STUCK, 129_500), null)
  t.equal(verdict.take(STUCK, 139_500), WAIT_EXIT.needsOperator)
  t.equal(
    new WaitVerdict({ ...PATIENCE, operatorAfterSeconds: 0 }, 0).take({ state: 'unknown', needsOperator: true }, 0),
    WAIT_EXIT.needsOperator,
    'a word that is not known needs an operator, which says more than that it is unknown',
  )
})

t.test('an operator is needed when nothing that blocks is cleared by time', async t => {
  const agent = new ScriptedAgent(t)
  const facts = (changes: Partial<Report> = {}) => factsOfReports([{ ...(agent.report(SR) as Report), ...changes }])
  agent.say(SR, [copying('vol-7/0', 0.4), givenUp('vol-8/0')])
  t.match(facts(), { state: 'waiting', needsOperator: false }, 'a resync still runs')
  agent.say(SR, [givenUp('vol-8/0')])
  t.match(facts(), { state: 'waiting', needsOperator: true })
  t.match(facts({ reasonsOmitted: 3 }), { needsOperator: false }, 'what is not told may be cleared by time')
  agent.say(SR, [copying('vol-7/0', 0.4)])
  t.match(facts(), { state: 'waiting', progress: 0.4, etaSeconds: 130 })
  t.match(factsOfReports([]), { state: 'unknown' }, 'a host that watches no SR knows nothing')
  agent.say(SR, [], { state: 'unknown', reasons: [{ code: 'source-silent', mirror: '*', clearedBy: 'time' }] })
  t.match(facts(), { state: 'unknown', needsOperator: false })
})

t.test('of the gate: what mirrors say of themselves counts, else the reason', async t => {
  const answer = { canReboot: false, hosts: [], error: null }
  t.match(factsOfGate({ ...answer, reasons: [silent(HOST_C)] }), { state: 'waiting', needsOperator: true })
  t.match(factsOfGate({ ...answer, reasons: [silent(HOST_C), resyncingThere(HOST_B)] }), {
    needsOperator: false,
    progress: 0.421,
  })
  const stuck = { ...resyncingThere(HOST_B), mirrorReasons: givenUp('vol-8/0').reasons }
  t.match(factsOfGate({ ...answer, reasons: [stuck] }), { needsOperator: true }, 'its mirrors know better')
  t.match(factsOfGate({ ...answer, error: ['OTHER_OPERATION_IN_PROGRESS', 'host', 'x'], reasons: [] }), {
    state: 'waiting',
    needsOperator: false,
    reasons: [{ code: 'OTHER_OPERATION_IN_PROGRESS', text: 'the toolstack says OTHER_OPERATION_IN_PROGRESS host x' }],
  })
  t.match(factsOfGate({ ...answer, canReboot: true, reasons: [] }), { state: 'reached', needsOperator: false })
})
