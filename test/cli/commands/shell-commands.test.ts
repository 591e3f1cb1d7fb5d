import t from 'tap'
import { PoolRefusal } from '../../../src/agent-api/pool-methods.ts'
import { columnsOf } from '../../../src/cli/screen/screen-text.ts'
import type { Reason } from '../../../src/sync-query/reason/reason.ts'
import {
  blockedAgent,
  copying,
  gateOf,
  HAS_TERMINALS,
  HOST_B,
  HOST_C,
  leaseExpired,
  mirrorOf,
  OTHER_SR,
  resyncingOn,
  ScriptedAgent,
  SR,
  standAlone,
} from '../scripted-agent.ts'

t.test('status: shows each SR with its root causes, and what is blocked, whatever the state', async t => {
  const agent = await blockedAgent(t)
  const { stdout, exitCode } = await agent.run('status')
  t.equal(exitCode, 0)
  t.match(
    stdout,
    /^SR mirrored \(5c5c5c5c…\) {2}degraded for [3-9] min\n {2}12 mirrors: 10 synced, 1 resyncing, 1 degraded/,
  )
  t.match(stdout, 'vol-8/0 has given up its connection to hostC (StandAlone) (needs an operator)')
  t.match(stdout, new RegExp(`SR ${OTHER_SR}  synced for [3-9] min`))
  t.match(stdout, 'Hosts of the pool, by the gate on hostA')
  t.match(stdout, /^ {2}hostB {2}live, enabled {3}blocked: reboot, shutdown, apply_updates$/m)
  t.equal(stdout.match(/hostC has not confirmed/g)?.length, 1, 'a reason that blocks three hosts appears once')
  t.ok(stdout.split('\n').every(line => columnsOf(line) <= 80))
  t.notMatch(stdout, '\u001b', 'no colours without a terminal')

  const one = await agent.run('status', '5c5cf')
  t.match(one.stdout, OTHER_SR)
  t.notMatch(one.stdout, SR)
})

t.test('status: lists what no SR watches, 20 names at most', async t => {
  const agent = await new ScriptedAgent(t).listen()
  t.notMatch((await agent.run('status')).stdout, /No SR watches/)
  const drbd = Array.from({ length: 30 }, (_, index) => `xcp-volume-${index}`)
  agent.notWatched = { drbd, md: ['md7'], omitted: 4, doubts: [] }
  const { stdout } = await agent.run('status')
  t.match(stdout, /No SR watches these:\n {2}DRBD xcp-volume-0, DRBD xcp-volume-1,/)
  t.match(stdout.replaceAll(/\s+/g, ' '), /DRBD xcp-volume-19 and 15 more/)
  const [document] = JSON.parse(`[${(await agent.run('status', '--json')).stdout}]`)
  t.strictSame(document.unwatched, agent.notWatched)
})

t.test('status: if the gate cannot be reached, status says so and exits with 0', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.pool = new PoolRefusal('noToolstack', 'no toolstack is configured for this agent (toolstack.url)')
  const { stdout, stderr, exitCode } = await agent.run('status')
  t.equal(exitCode, 0)
  t.equal(stderr, '')
  t.match(stdout, /The gate cannot be reached: no toolstack is configured/)
  const gate = gateOf([])
  const errors = [['HOST_NOT_DISABLED', 'x'], ['HOST_IN_USE', 'x'], null]
  agent.pool = {
    ...gate,
    hosts: gate.hosts.map((host, index) => ({ ...host, operations: { reboot: errors[index] ?? null } })),
  }
  const free = await agent.run('status')
  t.match(free.stdout, /hostA .* may reboot once it is disabled\n/)
  t.match(free.stdout, /hostB .* allowed by storage, not by the toolstack: HOST_IN_USE\n/)
  t.match(free.stdout, /hostC .* may reboot$/)
})

t.test('explain: what an operator has to clear comes first, with the commands and their host', async t => {
  const agent = await blockedAgent(t)
  const { stdout, exitCode } = await agent.run('explain')
  t.equal(exitCode, 0)
  t.match(stdout, /^vol-8\/0 has given up its connection .*\n {2}stand-alone on hostA, SR mirrored \(5c5c5c5c-0000/)
  t.match(stdout, /Connect it again.*\n {2}on hostA:\n {4}drbdadm connect vol-8:hostC\n/)
  t.match(stdout, /on hostC:\n {4}systemctl status resync-monitor-agent\n/)
  t.ok(stdout.indexOf('lease-expired') < stdout.indexOf('resync-running'))
  t.match(stdout, `on hostA:\n    resync-monitor wait --sr ${SR}`)
  t.match(stdout, /since \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC \([3-9] min ago\)/)
  t.match(stdout, /3 hosts, 3\s+blocked by storage\.$/)

  const host = await agent.run('explain', 'hostB')
  t.match(host.stdout, 'lease-expired')
  t.match(host.stdout, / on hostB, SR/)
  t.notMatch(host.stdout, 'vol-8', 'a reason of this host blocks another host only if the gate says so')
  const sr = await agent.run('explain', OTHER_SR)
  t.match(sr.stdout, `Nothing blocks SR ${OTHER_SR}.`)
})

t.test('explain: if nothing blocks, it says so and what was checked', async t => {
  const agent = await new ScriptedAgent(t).listen()
  t.match(
    (await agent.run('explain')).stdout,
    /^Nothing blocks\. Checked: 1 SR with 12 mirrors on this host; the gate on/,
  )
  agent.setReport(SR, [mirrorOf('vol-9/0', 'synced', [{ code: 'drift', mirror: 'vol-9/0', clearedBy: 'operator' }])])
  const warned = await agent.run('explain')
  t.match(
    warned.stdout,
    /^Nothing blocks[\s\S]*\nwarning: [\s\S]*drift on [\s\S]*RISK: The differing blocks are overwritten/,
  )
  agent.pool = new PoolRefusal('toolstackUnreachable', 'the toolstack does not answer')
  t.match(
    (await agent.run('explain')).stdout,
    /hosts\s+of\s+the\s+pool\s+were\s+not\s+checked:\s+the\s+toolstack\s+does\s+not\s+answer/,
  )
  t.match((await agent.run('explain')).stdout, /^Nothing blocks on this host\./)
  t.match(await agent.run('explain', 'hostB'), { exitCode: 1, stderr: /the toolstack does not answer/ })
  agent.setReport(SR, [], { state: 'unknown' })
  t.match((await agent.run('explain')).stdout, /^SR 5c5c5c5c-\S+ is unknown, and the answers have no\s+reason\./)
  agent.setReport(SR, [])
  const gate = gateOf([])
  agent.pool = { ...gate, hosts: gate.hosts.map(host => ({ ...host, reasonsOmitted: 3 })) }
  t.match((await agent.run('explain', 'hostB')).stdout, /^host hostB is blocked, and the answers have no reason\./)
})

t.test('explain: of many mirrors with one reason three are printed in full, the others by name', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(
    SR,
    Array.from({ length: 12 }, (_, index) => copying(`vol-${index}/0`, 0.5)),
  )
  const { stdout } = await agent.run('explain')
  t.match(stdout, /^hostA: 12 mirrors: resync is running \(peer hostB\)\n/)
  t.equal(stdout.match(/^ {2}resync-running on hostA/gm)?.length, 3)
  t.equal(stdout.match(/resync-monitor wait --sr/g)?.length, 1, 'the same remedy is printed once')
  t.match(stdout, /and 9 more: vol-3\/0 vol-4\/0/)
})

t.test('an agent that does not answer ends the commands with 1', async t => {
  const agent = new ScriptedAgent(t)
  for (const command of ['status', 'explain']) {
    t.match(await agent.run(command), {
      exitCode: 1,
      stdout: '',
      stderr: /^resync-monitor: the agent at .* not running/,
    })
  }
  t.match(await agent.run('override', 'hostA', '--reason', 'x', '--for', '1h'), { exitCode: 1 })
  t.match(JSON.parse((await agent.run('can-reboot', 'hostA', '--json')).stdout), {
    schema: 1,
    error: { code: 'agent-away' },
  })
})

t.test('control characters in names and texts are escaped', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const evil = {
    ...leaseExpired(HOST_C),
    host: { ...HOST_C, name: 'x\u001b]0;owned\u0007' },
    text: 'a\u001b[2Jb\nc\u202e',
  }
  agent.pool = gateOf([evil])
  for (const command of ['status', 'explain']) {
    const { stdout } = await agent.run(command)
    t.notMatch(stdout.replaceAll('\n', ''), /[\p{Cc}\p{Cf}]/u, command)
    t.match(stdout, /a\\x1b\[2Jb\\x0ac/)
  }
})

t.test('colours appear only on terminals that support them', { skip: !HAS_TERMINALS }, async t => {
  const agent = await blockedAgent(t)
  t.match(await agent.onTerminal(['status'], { TERM: 'xterm-256color' }), '\u001b[31mdegraded')
  for (const env of [{ TERM: 'xterm-256color', NO_COLOR: '1' }, { TERM: 'dumb' }]) {
    t.notMatch(await agent.onTerminal(['status'], env), '\u001b')
  }
})

t.test('explain: a mirror without a current replica comes first, once for all hosts, with the candidates', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const noneCurrent = (candidates: Reason['candidates']): Reason => ({
    code: 'no-current-replica',
    mirror: 'vol-l/0',
    clearedBy: 'operator',
    missing: 2,
    ...(candidates === undefined ? {} : { candidates }),
  })
  const here = noneCurrent([
    { peer: 'self', word: 'Outdated', since: '2026-11-22T16:00:00.000Z', wasSource: true },
    { peer: 'hostB', word: 'Outdated', outOfSyncBytes: 1_048_576 },
  ])
  agent.setReport(SR, [standAlone('vol-8/0'), mirrorOf('vol-l/0', 'degraded', [here])])
  agent.pool = gateOf([{ ...resyncingOn(HOST_B), mirrorReasons: [noneCurrent([{ peer: 'self', word: 'Outdated' }])] }])
  const { stdout } = await agent.run('explain')
  const elsewhere = { ...resyncingOn(HOST_B), mirrorReasons: [noneCurrent([{ peer: 'self', word: 'Outdated' }])] }
  agent.reboot = { canReboot: false, hosts: [HOST_C], error: ['CLUSTERED_SR_DEGRADED', SR], reasons: [elsewhere] }
  t.match(
    (await agent.run('can-reboot', 'hostC')).stdout,
    /^no: .*\n.*\n\nno replica of vol-l\/0 is current[^:]*:\s+ hostB\s+Outdated/,
  )
  t.match(stdout, /^no replica of vol-l\/0 is current \(0 of 2\)/)
  t.match(
    stdout.replace(/\s+/g, ' '),
    'this host Outdated since 2026-11-22T16:00:00.000Z, source of the last resync; hostB Outdated, 1.0 MiB',
  )
  t.equal(stdout.split('drbdadm primary --force vol-l').length, 2, 'the last resort appears once')
  t.notMatch(stdout, 'Never force')
})

t.test('explain: a reason that is younger than the state of its mirror has its own time', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const suspended: Reason = {
    code: 'io-suspended',
    mirror: 'vol-8/0',
    clearedBy: 'operator',
    word: 'user',
    since: '2026-11-22T16:00:00.000Z',
  }
  agent.setReport(SR, [mirrorOf('vol-8/0', 'synced', [suspended])])
  t.match((await agent.run('explain')).stdout, /^ {2}io-suspended on .*\n {2}since 2026-11-22 16:00:00 UTC/m)
})

t.test('status and explain show how many reasons are left out, and the progress of a degraded SR', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(SR, [copying('vol-7/0', 0.421), standAlone('vol-8/0')], { progress: 0.421, etaSeconds: 130 })
  agent.omitted = 4
  agent.pool = gateOf([{ ...resyncingOn(HOST_B), mirrorReasonsOmitted: 5 }])
  const { stdout } = await agent.run('status')
  t.match(stdout, /degraded for [3-9] min\n.*\n {2}\[=+> +\] 42\.1 % {2}about 2 min left/)
  t.match((await agent.run('explain')).stdout, /\n9 more reasons were left out of the answers\.\n/)
  t.match(JSON.parse((await agent.run('explain', '--json')).stdout), { reasonsOmitted: 9 })
})

t.test('a host that is down is the root cause of every lost connection to it', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const lost = (mirror: string) =>
    mirrorOf(mirror, 'degraded', [
      { code: 'peer-not-connected', mirror, clearedBy: 'time', peer: 'hostC', word: 'Connecting' },
    ])
  agent.setReport(
    SR,
    Array.from({ length: 12 }, (_, index) => lost(`vol-${index}/0`)),
  )
  const down = {
    ...leaseExpired(HOST_C),
    code: 'host-not-live',
    text: 'SR mirrored: hostC is down (needs an operator)',
  }
  const follows = { ...resyncingOn(HOST_B), state: 'degraded' as const, text: 'SR mirrored: hostB is degraded' }
  const { reasons = [] } = lost('vol-3/0')
  agent.pool = gateOf([down, { ...follows, mirrorReasons: reasons }])
  const status = await agent.run('status')
  t.match(status.stdout, /12 mirrors: 12 degraded.*\n {2}hostC is down: 12 mirrors have no copy there\n\n/)
  t.match(status.stdout, /because hostC is down: 1 mirror has no copy there$/)
  const explain = await agent.run('explain')
  t.match(explain.stdout, /^hostC is down: 12 mirrors have no copy there\n {2}SR mirrored: hostC is down/)
  t.match(explain.stdout, /\n {2}follows: peer is not connected: 12 mirrors on hostA, hostB: vol-0\/0 /)
  t.match(explain.stdout, /\n {2}follows: host is not in sync: hostB; SR mirrored \(5c5c5c5c…\)\n/)
  const { rootCauses } = JSON.parse((await agent.run('explain', '--json')).stdout)
  t.match(rootCauses, [{ title: 'hostC is down: 12 mirrors have no copy there', reasons: 1, consequences: 14 }])
})

t.test('an SR is named by its label where the gate knows it', async t => {
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(OTHER_SR, [])
  const srs = [
    { uuid: SR, name: 'mirrored' },
    { uuid: OTHER_SR, name: 'archive' },
  ]
  agent.pool = { ...gateOf([]), srs }
  const one = await agent.run('status', 'archive')
  t.match(one, { exitCode: 0, stdout: /^SR archive \(5c5cffff…\) {2}synced/ })
  t.notMatch(one.stdout, 'mirrored')
  t.match(await agent.run('explain', 'mirrored'), { exitCode: 0, stdout: /^Nothing blocks SR mirrored/ })
  t.match(await agent.run('wait', '--sr', 'Mirrored'), { exitCode: 0, stdout: 'in sync' })
  t.match(await agent.run('status', 'nobody'), { exitCode: 64, stderr: /valid: mirrored, archive/ })
  agent.pool = { ...gateOf([]), srs: srs.map(sr => ({ ...sr, name: 'twin' })) }
  t.match(await agent.run('wait', '--sr', 'twin'), {
    exitCode: 64,
    stderr: /'twin' matches twin \(5c5c.*\) and twin \(/,
  })
})
