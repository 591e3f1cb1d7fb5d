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
  HOST_A,
  HOST_B,
  HOST_C,
  leaseExpired,
  mirrorOf,
  resyncingOn,
  ScriptedAgent,
  SR,
  standAlone,
} from '../scripted-agent.ts'

const PATIENCE = { timeoutSeconds: 100, unknownAfterSeconds: 60, operatorAfterSeconds: 10 }
const WAITING = { state: 'waiting', needsOperator: false } as const
const STUCK = { state: 'waiting', needsOperator: true } as const
const UNKNOWN = { state: 'unknown', needsOperator: false } as const

t.test('the wait ends at once when its goal is reached, and always at its timeout', async t => {
  const verdict = new WaitVerdict(PATIENCE, 0)
  t.equal(verdict.take(WAITING, 1_000), null)
  t.equal(verdict.leftMs(1_000), 99_000)
  t.equal(verdict.take(WAITING, 100_000), WAIT_EXIT.timeout)
  t.equal(verdict.take({ state: 'reached', needsOperator: false }, 200_000), WAIT_EXIT.reached)
  t.equal(new WaitVerdict({ ...PATIENCE, timeoutSeconds: null }, 0).take(WAITING, 1e12), null)
})

t.test('an unknown state or a reason for an operator ends the wait only if it lasts', async t => {
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
    'the exit code for an operator has precedence over the one for an unknown state',
  )
})

t.test('reports of this host: a reason for an operator counts although other reasons clear by themselves', async t => {
  const agent = new ScriptedAgent(t)
  const facts = (changes: Partial<Report> = {}) => factsOfReports([{ ...(agent.report(SR) as Report), ...changes }])
  agent.setReport(SR, [copying('vol-7/0', 0.4), standAlone('vol-8/0')])
  t.match(facts(), { state: 'waiting', needsOperator: true }, 'the end of that resync will not end the wait')
  t.match(facts().reasons[0], { code: 'stand-alone' }, 'and it is the first reason')
  agent.setReport(SR, [standAlone('vol-8/0')])
  t.match(facts(), { state: 'waiting', needsOperator: true })
  t.match(facts({ reasonsOmitted: 3 }), { needsOperator: true }, 'reasons that clear by themselves are omitted first')
  agent.setReport(SR, [copying('vol-7/0', 0.4)])
  t.match(facts(), { state: 'waiting', needsOperator: false, progress: 0.4, etaSeconds: 130 })
  t.match(factsOfReports([]), { state: 'unknown' }, 'without a report the state is unknown')
  agent.setReport(SR, [], { state: 'unknown', reasons: [{ code: 'source-silent', mirror: '*', clearedBy: 'time' }] })
  t.match(facts(), { state: 'unknown', needsOperator: false })
  const notUp: ReportReason = { code: 'not-up', mirror: 'vol-9/0', clearedBy: 'operator' }
  const booting = { state: 'degraded', reasons: [notUp] } as const
  agent.setReport(SR, [copying('vol-7/0', 0.4)])
  t.match(facts(booting), { needsOperator: false }, 'volumes of a host that boots come up one after the other')
  agent.setReport(SR, [])
  t.match(facts(booting), { needsOperator: true })
})

t.test('reports of this host: a reason that only the gate has counts too', async t => {
  const agent = new ScriptedAgent(t)
  const notConnected: Reason = { code: 'peer-not-connected', mirror: 'vol-1/0', clearedBy: 'time', peer: 'hostB' }
  agent.setReport(SR, [mirrorOf('vol-1/0', 'degraded', [notConnected])])
  const report = agent.report(SR) as Report
  t.match(factsOfReports([report]), { needsOperator: false })
  const gateAbout = (host: typeof HOST_A) =>
    gateOf([
      {
        ...resyncingOn(host),
        mirrorReasons: [{ ...notConnected, clearedBy: 'operator' as const, waitsFor: 'hostB' }],
      },
    ])
  t.match(factsOfReports([report], gateAbout(HOST_A)), {
    needsOperator: true,
    reasons: [{ clearedBy: 'operator', text: /needs an operator/ }],
  })
  t.match(factsOfReports([report], gateAbout(HOST_B)), { needsOperator: false }, 'it is about another host')
})

t.test('combinations of reasons that clear by themselves and reasons for an operator', async t => {
  const byOperator = (code: string, mirror?: string): OpenReason => ({
    code,
    clearedBy: 'operator',
    ...(mirror && { mirror }),
  })
  const byTime = (code: string, mirror?: string): OpenReason => ({ ...byOperator(code, mirror), clearedBy: 'time' })
  const table: readonly [title: string, reasons: readonly OpenReason[], needed: boolean][] = [
    ['no reason', [], false],
    [
      'only reasons that clear by themselves',
      [byTime('resync-running', 'v/0'), byTime('peer-not-connected', 'w/0')],
      false,
    ],
    [
      'a pause, and the peer that waits for its end',
      [byOperator('resync-paused', 'v/0'), byTime('resync-waiting', 'v/0')],
      true,
    ],
    [
      'StandAlone, and the peer that is not connected',
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
    ['a stalled resync', [byOperator('resync-stalled', 'v/0'), byTime('resync-running', 'v/0')], true],
    [
      'a volume that is not up while others resync',
      [byOperator('not-up', 'v/0'), byTime('resync-starting', 'w/0')],
      false,
    ],
    [
      'a volume that is not up, and no resync',
      [byOperator('not-up', 'v/0'), byTime('peer-not-connected', 'w/0')],
      true,
    ],
    ['a host reboots as planned', [byOperator('array-degraded', 'md0'), byTime('host-going-down')], false],
    ['a host is down for an ordered reboot', [byOperator('not-up', 'v/0'), byTime('host-not-live')], false],
    ['a host is back and has not reported', [byOperator('stand-alone', 'v/0'), byTime('report-other-boot')], false],
    [
      'a host has crashed, and its peers are not connected',
      [byOperator('host-not-live'), byTime('peer-not-connected', 'v/0')],
      true,
    ],
    ['an agent does not run while others resync', [byOperator('lease-expired'), byTime('resync-running', 'v/0')], true],
    ['StandAlone, and an unknown state', [byOperator('stand-alone', 'v/0'), byTime('source-silent', '*')], true],
  ]
  for (const [title, reasons, needed] of table) t.equal(needsOperator(reasons), needed, title)
})

t.test('answer of the gate: the reasons of the mirrors count; without them the reason of the gate counts', async t => {
  const answer = { canReboot: false, hosts: [], error: null }
  t.match(factsOfGate({ ...answer, reasons: [resyncingOn(HOST_B)] }), {
    state: 'waiting',
    needsOperator: false,
    progress: 0.421,
  })
  const first = { ...resyncingOn(HOST_B), progress: 0.3, etaSeconds: 90 }
  const second = { ...resyncingOn(HOST_C), progress: 0.2, etaSeconds: 130 }
  t.match(factsOfGate({ ...answer, reasons: [first, second] }), { progress: 0.2, etaSeconds: 130 })
  t.match(
    factsOfGate({ ...answer, reasons: [first, leaseExpired(HOST_C)] }),
    { progress: 0.3, etaSeconds: null },
    'the end of the resync is not the end of the wait',
  )
  const stuck = { ...resyncingOn(HOST_B), mirrorReasons: standAlone('vol-8/0').reasons }
  t.match(factsOfGate({ ...answer, reasons: [stuck] }), { needsOperator: true }, 'a reason of a mirror for an operator')
  const cut = { ...resyncingOn(HOST_B), clearedBy: 'operator' as const, mirrorReasonsOmitted: 9 }
  t.match(
    factsOfGate({ ...answer, reasons: [cut] }),
    { needsOperator: true },
    'the gate has judged the omitted reasons too',
  )
  t.match(factsOfGate({ ...answer, error: ['OTHER_OPERATION_IN_PROGRESS', 'host', 'x'], reasons: [] }), {
    state: 'waiting',
    needsOperator: false,
    reasons: [
      { code: 'OTHER_OPERATION_IN_PROGRESS', text: 'the toolstack answers OTHER_OPERATION_IN_PROGRESS host x' },
    ],
  })
  t.match(factsOfGate({ ...answer, canReboot: true, reasons: [] }), { state: 'reached', needsOperator: false })
  const expired = { ...leaseExpired(HOST_B), code: 'override-expired' }
  t.match(factsOfGate({ ...answer, reasons: [expired, resyncingOn(HOST_B)] }), { needsOperator: false })
})

t.test('answer of the gate: without a valid report the state is unknown; of a host that is down it is not', async t => {
  const stateFor = (code: string, changes: Partial<GateReasonAnswer> = {}) => {
    const reasons = [{ ...leaseExpired(HOST_C), code, ...changes }, resyncingOn(HOST_B)]
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

t.test('the gate is polled at intervals, and an old answer is not used', async t => {
  let now = 0
  let calls = 0
  const answers: (() => void)[] = []
  const gate = () =>
    new Promise<Answer<GateAnswer>>(resolve => {
      calls += 1
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
  t.equal(calls, 1, 'one call at a time')
  await answer()
  t.ok(poller.latest())
  t.equal(calls, 2)
  now = 36_001
  t.equal(poller.latest(), null, 'an old answer is not used')
})
