import type { GateHostAnswer, OverrideAnswer } from '../../agent-api/answers.ts'
import type { AgentQueries } from '../ask/agent-queries.ts'
import { currentUser } from '../ask/current-user.ts'
import { findNamed, nameOf } from '../ask/names.ts'
import {
  pageOf,
  print,
  printJson,
  printProblem,
  queriesOf,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
} from '../ask/shell-command.ts'
import { type Cause, causesOfGate } from '../screen/cause.ts'
import { formatMoment } from '../screen/moments.ts'
import { escaped, folded } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Command, durationOf, EXIT, type Options, readOptions, type Terminal, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor override HOST --reason TEXT --for DURATION [--by WHO] [OPTION…]
       resync-monitor override --clear HOST
       resync-monitor override --list

Allows one host to reboot or shut down although storage blocks it. RISK: virtual disks whose last current replica is on that host
stop while it is down, and what they have written there last may be lost. The override is kept in the pool's database, shown in
every status, logged, and expires.

In a pool of unmodified toolstacks the block is a Task of the whole pool. There the guard lifts it for an override only while every
other host is enabled. It comes back with the reboot, when a second host is disabled, or when the override ends. Without a gate or a
guard that acts nothing would read the override, and the command refuses.

  HOST                 a name, a UUID, or the first four or more characters of a UUID
  --reason TEXT        why the host has to go down
  --for DURATION       how long the override is in force: 90s, 10m, 2h; at most 24h
  --by WHO             who takes the risk (default: the user who runs the command, also through sudo)
  --clear              end the override of HOST now
  --list               list all overrides of the pool
${SHELL_OPTIONS_HELP}

Exit codes: 0 done; 1 not done; 64 wrong usage.

Examples: resync-monitor override hostB --reason "disk swap, ticket 4711" --for 1h
          resync-monitor override --clear hostB
`

export const override: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, {
      ...SHELL_OPTIONS,
      reason: { type: 'string' },
      for: { type: 'string' },
      by: { type: 'string' },
      clear: { type: 'boolean' },
      list: { type: 'boolean' },
    })
    const isGiving = !options.flag('clear') && !options.flag('list')
    for (const name of ['reason', 'for', 'by']) {
      if (!isGiving && options.text(name) !== undefined)
        throw new UsageError(`--${name} cannot be combined with --clear or --list`)
    }
    if (options.flag('clear') && options.flag('list')) throw new UsageError('--clear and --list cannot be combined')
    const agent = queriesOf(options)
    if (options.flag('list')) return list(agent, options, terminal)
    const host = oneHost(options)
    return options.flag('clear') ? clear(host, agent, options, terminal) : give(host, agent, options, terminal)
  },
}

async function give(host: string, agent: AgentQueries, options: Options, terminal: Terminal): Promise<number> {
  const reason = options.text('reason')?.trim() ?? ''
  if (reason === '') throw new UsageError('--reason is missing: give the reason why the host has to go down')
  const duration = options.text('for')
  if (duration === undefined) throw new UsageError('--for is missing: give the duration of the override')
  const expiresInSeconds = durationOf('for', duration, { max: '24h' })
  const by = options.text('by')?.trim() ?? currentUser()
  if (by === '') throw new UsageError('--by must not be empty')

  const blocked = await hostOfGate(host, agent)
  const answer = await agent.setOverride({ host: blocked?.uuid ?? host, reason, by, expiresInSeconds })
  const now = Date.now()
  if (!answer.ok) {
    printProblem(terminal, options, now, answer.problem)
    if (answer.problem.code === 'toolstackUnreachable') {
      terminal.stderr.write('It is not known whether the override was written: see resync-monitor override --list\n')
    }
    return EXIT.failed
  }
  const overridden = blocked === null ? null : overriddenBy(blocked)
  const name = blocked === null ? host : nameOf(blocked)
  if (options.flag('json')) {
    printJson(terminal, now, { host: blocked?.uuid ?? host, name, override: answer.value, overridden })
    return EXIT.ok
  }
  const page = pageOf(terminal, now)
  const fold = (text: string, indent = 0) => folded(escaped(text), indent, page.columns)
  print(terminal, [
    ...effectSentences(name, answer.value, now).flatMap(text => fold(text)),
    ...fold(
      'RISK: virtual disks whose last current replica is on this host stop while it is down, and what they have written there last may be lost. The override is for no other host.',
    ),
    ...(overridden === null || overridden.length === 0
      ? fold(
          overridden === null
            ? `The overridden reasons could not be read: see resync-monitor ${answer.value.guard === undefined ? 'explain' : 'doctor'}`
            : 'Storage does not block this host now: nothing is overridden.',
        )
      : ['It overrides:', ...overridden.flatMap(({ text }) => fold(text, 2))]),
    ...fold(`To end it early: resync-monitor override --clear ${name}`),
  ])
  return EXIT.ok
}

/** What the override does, and what it waits for. */
function effectSentences(name: string, { expiresAt, by, inForce, guard }: OverrideAnswer, now: number): string[] {
  const may = `${name} may reboot and shut down until ${formatMoment(expiresAt, now)}, by override of ${by}.`
  if (guard === undefined) {
    return inForce ? [may] : [may, 'The override is written, but not in force yet: see resync-monitor override --list']
  }
  const poolWide =
    'The Task that blocks reboots is pool-wide: the guard lifts it only while every other host is enabled. It comes back with the reboot, when a second host is disabled, or when the override ends.'
  if (inForce) return [may, poolWide]
  return [
    `The override of ${name} is written until ${formatMoment(expiresAt, now)}, by ${by}, but it has NO EFFECT yet.`,
    ...guard.waitsFor.map(other => `${nameOf(other)} is disabled: xe host-enable host=${nameOf(other)}`),
    ...guard.otherOverrides.map(
      other => `${nameOf(other)} has an override: resync-monitor override --clear ${nameOf(other)}`,
    ),
    poolWide,
  ]
}

async function clear(host: string, agent: AgentQueries, options: Options, terminal: Terminal): Promise<number> {
  // The operand may be the beginning of a UUID, which only the gate's answer resolves.
  const found = await hostOfGate(host, agent)
  const answer = await agent.clearOverride(found?.uuid ?? host)
  const now = Date.now()
  if (!answer.ok) {
    printProblem(terminal, options, now, answer.problem)
    return EXIT.failed
  }
  if (options.flag('json'))
    printJson(terminal, now, { host: found?.uuid ?? host, name: found?.name ?? null, cleared: true })
  else print(terminal, [`${escaped(found === null ? host : nameOf(found))} has no override now.`])
  return EXIT.ok
}

async function list(agent: AgentQueries, options: Options, terminal: Terminal): Promise<number> {
  const [surplus] = options.operands
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected with --list`)
  const gate = await agent.gate()
  const now = Date.now()
  if (!gate.ok) {
    printProblem(terminal, options, now, gate.problem)
    return EXIT.failed
  }
  const overrides = gate.value.hosts.flatMap(({ uuid, name, override: its }) =>
    its === null ? [] : [{ host: uuid, name, override: its }],
  )
  if (options.flag('json')) printJson(terminal, now, { overrides })
  else if (overrides.length === 0) print(terminal, ['No host has an override.'])
  else {
    const page = pageOf(terminal, now)
    print(
      terminal,
      overrides.flatMap(({ host, name, override: its }) => overrideLines(nameOf({ uuid: host, name }), its, page)),
    )
  }
  return EXIT.ok
}

function overrideLines(name: string, { reason, by, expiresAt, inForce }: OverrideAnswer, page: Page): string[] {
  const state = inForce ? page.paint('unsure', 'in force') : page.paint('faint', 'not in force')
  return [
    `${escaped(name)}  ${state}`,
    ...folded(escaped(`until ${formatMoment(expiresAt, page.now)}, by ${by}: ${reason}`), 2, page.columns),
  ]
}

function oneHost({ operands }: Options): string {
  const [host, surplus] = operands
  if (host === undefined) throw new UsageError('a HOST is missing')
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here: an override is for one host`)
  return host
}

/** The gate's answer about the host; `null`: the gate does not answer, or does not know the host. */
async function hostOfGate(host: string, agent: AgentQueries): Promise<GateHostAnswer | null> {
  const gate = await agent.gate()
  if (!gate.ok) return null
  const found = findNamed(host, gate.value.hosts, 'host')
  return found.ok ? found.value : null
}

function overriddenBy({ reasons }: GateHostAnswer): Cause[] {
  return causesOfGate(reasons, { coordinator: null }, null).filter(({ scope }) => scope === 'gate')
}
