import { setImmediate } from 'node:timers/promises'
import t from 'tap'
import type { GateAnswer, GateReasonAnswer } from '../../../src/agent-api/answers.ts'
import type { Answer } from '../../../src/cli/ask/agent-queries.ts'
import { GatePoller } from '../../../src/cli/wait/gate-poller.ts'
import { needsOperator, type OpenReason } from '../../../src/cli/wait/needs-operator.ts'
import { factsOfGate, factsOfReports } from '../../../src/cli/wait/wait-facts.ts'
import { WAIT_EXIT, WaitVerdict } from '../../../src/cli/wait/wait-verdict.ts'
import type { Reason } from '../../../src/sync-query/reason/reason.ts'
import type { Report, ReportReason } from '../../../src/sync-query/report/report.ts'
import {
  copying,
  gateOf,
  givenUp,
  HOST_A,
  HOST_B,
  HOST_C,
  mirrorOf,
  resyncingThere,
  ScriptedAgent,
  SR,
  silent,
} from '../scripted-agent.ts'

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

t.test('of this host: what an operator must clear is told, whatever else time clears meanwhile', async t => {
  const agent = new ScriptedAgent(t)
  const facts = (changes: Partial<Report> = {}) => factsOfReports([{ ...(agent.report(SR) as Report), ...changes }])
  agent.say(SR, [copying('vol-7/0', 0.4), givenUp('vol-8/0')])
  t.match(facts(), { state: 'waiting', needsOperator: true }, 'the end of that resync will not end the wait')
  t.match(facts().reasons[0], { code: 'stand-alone' }, 'and it is told first')
  agent.say(SR, [givenUp('vol-8/0')])
  t.match(facts(), { state: 'waiting', needsOperator: true })
  t.match(facts({ reasonsOmitted: 3 }), { needsOperator: true }, 'what time clears is left out first')
  agent.say(SR, [copying('vol-7/0', 0.4)])
  t.match(facts(), { state: 'waiting', needsOperator: false, progress: 0.4, etaSeconds: 130 })
  t.match(factsOfReports([]), { state: 'unknown' }, 'a host that watches no SR knows nothing')
  agent.say(SR, [], { state: 'unknown', reasons: [{ code: 'source-silent', mirror: '*', clearedBy: 'time' }] })
  t.match(facts(), { state: 'unknown', needsOperator: false })
  const notUp: ReportReason = { code: 'not-up', mirror: 'vol-9/0', clearedBy: 'operator' }
  const booting = { state: 'degraded', reasons: [notUp] } as const
  agent.say(SR, [copying('vol-7/0', 0.4)])
  t.match(facts(booting), { needsOperator: false }, 'volumes of a host that boots come up one after the other')
  agent.say(SR, [])
  t.match(facts(booting), { needsOperator: true })
})

t.test('of this host: what only the gate sees counts, for it has both halves', async t => {
  const agent = new ScriptedAgent(t)
  const away: Reason = { code: 'peer-not-connected', mirror: 'vol-1/0', clearedBy: 'time', peer: 'hostB' }
  agent.say(SR, [mirrorOf('vol-1/0', 'degraded', [away])])
  const report = agent.report(SR) as Report
  t.match(factsOfReports([report]), { needsOperator: false })
  const toldOf = (host: typeof HOST_A) =>
    gateOf([
      { ...resyncingThere(host), mirrorReasons: [{ ...away, clearedBy: 'operator' as const, waitsFor: 'hostB' }] },
    ])
  t.match(factsOfReports([report], toldOf(HOST_A)), {
    needsOperator: true,
    reasons: [{ clearedBy: 'operator', text: /needs an operator/ }],
  })
  t.match(factsOfReports([report], toldOf(HOST_B)), { needsOperator: false }, 'it is about another host')
})

t.test('every mix of what time clears and what an operator must clear', async t => {
  const byOperator = (code: string, mirror?: string): OpenReason => ({
    code,
    clearedBy: 'operator',
    ...(mirror && { mirror }),
  })
  const byTime = (code: string, mirror?: string): OpenReason => ({ ...byOperator(code, mirror), clearedBy: 'time' })
  const table: readonly [title: string, reasons: readonly OpenReason[], needed: boolean][] = [
    ['nothing is told', [], false],
    ['time alone', [byTime('resync-running', 'v/0'), byTime('peer-not-connected', 'w/0')], false],
    [
      'a forgotten pause, and its other half',
      [byOperator('resync-paused', 'v/0'), byTime('resync-waiting', 'v/0')],
      true,
    ],
    [
      'StandAlone, and a peer that awaits it',
      [byOperator('stand-alone', 'v/0'), byTime('peer-not-connected', 'v/0')],
      true,
    ],
    [
      'StandAlone, and a resync of another mirror',
      [byOperator('stand-alone', 'v/0'), byTime('resync-running', 'w/0')],
      true,
    ],
    [
      'StandAlone to one peer, a resync with the other',
      [byOperator('stand-alone', 'v/0'), byTime('resync-running', 'v/0')],
      true,
    ],
    [
      'a disk that is being brought up to date',
      [byOperator('peer-disk-not-up-to-date', 'v/0'), byTime('resync-running', 'v/0')],
      false,
    ],
    [
      'a disk beside a resync of another mirror',
      [byOperator('peer-disk-not-up-to-date', 'v/0'), byTime('resync-running', 'w/0')],
      true,
    ],
    [
      'a failed member whose spare recovers',
      [byOperator('member-failed', 'md0'), byTime('resync-running', 'md0')],
      false,
    ],
    ['a resync that stands still', [byOperator('resync-stalled', 'v/0'), byTime('resync-running', 'v/0')], true],
    [
      'a volume that is not up while others resync',
      [byOperator('not-up', 'v/0'), byTime('resync-starting', 'w/0')],
      false,
    ],
    [
      'a volume that is not up, and nothing moves',
      [byOperator('not-up', 'v/0'), byTime('peer-not-connected', 'w/0')],
      true,
    ],
    ['a host reboots as planned', [byOperator('array-degraded', 'md0'), byTime('host-going-down')], false],
    ['a host has been told to reboot', [byOperator('not-up', 'v/0'), byTime('host-not-live')], false],
    ['a host is back and has not spoken', [byOperator('stand-alone', 'v/0'), byTime('report-other-boot')], false],
    [
      'a host has crashed, and its peers await it',
      [byOperator('host-not-live'), byTime('peer-not-connected', 'v/0')],
      true,
    ],
    ['an agent is dead while others resync', [byOperator('lease-expired'), byTime('resync-running', 'v/0')], true],
    ['an unknown state beside it', [byOperator('stand-alone', 'v/0'), byTime('source-silent', '*')], true],
  ]
  for (const [title, reasons, needed] of table) t.equal(needsOperator(reasons), needed, title)
})

t.test('of the gate: what mirrors say of themselves counts, else the reason', async t => {
  const answer = { canReboot: false, hosts: [], error: null }
  t.match(factsOfGate({ ...answer, reasons: [resyncingThere(HOST_B)] }), {
    state: 'waiting',
    needsOperator: false,
    progress: 0.421,
  })
  const told = { ...resyncingThere(HOST_B), progress: 0.3, etaSeconds: 90 }
  const other = { ...resyncingThere(HOST_C), progress: 0.2, etaSeconds: 130 }
  t.match(factsOfGate({ ...answer, reasons: [told, other] }), { progress: 0.2, etaSeconds: 130 })
  t.match(
    factsOfGate({ ...answer, reasons: [told, silent(HOST_C)] }),
    { progress: 0.3, etaSeconds: null },
    'its end is not the end of the wait',
  )
  const stuck = { ...resyncingThere(HOST_B), mirrorReasons: givenUp('vol-8/0').reasons }
  t.match(factsOfGate({ ...answer, reasons: [stuck] }), { needsOperator: true }, 'its mirrors know better')
  const cut = { ...resyncingThere(HOST_B), clearedBy: 'operator' as const, mirrorReasonsOmitted: 9 }
  t.match(factsOfGate({ ...answer, reasons: [cut] }), { needsOperator: true }, 'the gate has seen what is left out')
  t.match(factsOfGate({ ...answer, error: ['OTHER_OPERATION_IN_PROGRESS', 'host', 'x'], reasons: [] }), {
    state: 'waiting',
    needsOperator: false,
    reasons: [
      { code: 'OTHER_OPERATION_IN_PROGRESS', text: 'the toolstack answers OTHER_OPERATION_IN_PROGRESS host x' },
    ],
  })
  t.match(factsOfGate({ ...answer, canReboot: true, reasons: [] }), { state: 'reached', needsOperator: false })
  const expired = { ...silent(HOST_B), code: 'override-expired' }
  t.match(factsOfGate({ ...answer, reasons: [expired, resyncingThere(HOST_B)] }), { needsOperator: false })
})

t.test('of the gate: a host of which nothing is heard leaves it unknown; one that is down does not', async t => {
  const stateFor = (code: string, changes: Partial<GateReasonAnswer> = {}) => {
    const reasons = [{ ...silent(HOST_C), code, ...changes }, resyncingThere(HOST_B)]
    return factsOfGate({ canReboot: false, hosts: [], error: null, reasons }).state
  }
  const byTime = { clearedBy: 'time' } as const
  for (const code of ['no-report', 'report-other-boot', 'mirror-list-missing'])
    t.equal(stateFor(code, byTime), 'unknown')
  for (const code of ['report-unreadable', 'report-from-future', 'lease-expired']) t.equal(stateFor(code), 'unknown')
  t.equal(stateFor('not-synced', { ...byTime, state: 'unknown' }), 'unknown')
  for (const code of ['host-not-live', 'host-leaving', 'contradicted-by-peer', 'code-of-2030']) {
    t.equal(stateFor(code), 'waiting', code)
  }
})

t.test('the gate is glanced at from time to time, and what it said goes stale', async t => {
  let now = 0
  let asked = 0
  const answers: (() => void)[] = []
  const gate = () =>
    new Promise<Answer<GateAnswer>>(resolve => {
      asked += 1
      answers.push(() => resolve({ ok: true, value: gateOf([]) }))
    })
  const poller = new GatePoller({ gate }, () => now)
  const answer = async () => {
    answers.shift()?.()
    await setImmediate()
  }
  t.equal(poller.latest(), null, 'the first call does not wait for the answer')
  now = 6_000
  t.equal(poller.latest(), null)
  t.equal(asked, 1, 'one question at a time')
  await answer()
  t.ok(poller.latest())
  t.equal(asked, 2)
  now = 36_001
  t.equal(poller.latest(), null, 'an old answer is not used')
})
