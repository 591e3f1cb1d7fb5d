import { hostname, userInfo } from 'node:os'
import type { GateHostAnswer, OverrideAnswer } from '../../agent-api/answers.ts'
import type { AgentTalk } from '../ask/agent-talk.ts'
import { findNamed } from '../ask/named-operand.ts'
import {
  pageOf,
  print,
  printJson,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
  talkOf,
  tellProblem,
} from '../ask/shell-command.ts'
import { type Cause, causesOfGate, nameOf } from '../screen/cause.ts'
import { durationOf } from '../screen/duration.ts'
import { sayMoment } from '../screen/moment-words.ts'
import { folded, shown } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Command, EXIT, type Options, readOptions, type Terminal, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor override HOST --reason TEXT --for DURATION [--by WHO] [OPTION…]
       resync-monitor override --clear HOST
       resync-monitor override --list

Lets one host reboot or shut down although storage says no. Whoever does this takes a risk: virtual disks whose last good
copy is on that host stop, and what they have written there last may be lost. It is kept in the pool's database, shown
everywhere, logged, and over by itself.

  --reason TEXT        why the host must go nevertheless
  --for DURATION       90s, 10m, 2h; 24h at most
  --by WHO             who takes the risk (default: who runs this, through sudo too)
  --clear              end the override of HOST now
  --list               all overrides of the pool
${SHELL_OPTIONS_HELP}

Exits with 0 if it was done, 1 if not.

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
        throw new UsageError(`--${name} goes with neither --clear nor --list`)
    }
    if (options.flag('clear') && options.flag('list')) throw new UsageError('--clear and --list do not go together')
    const talk = talkOf(options)
    if (options.flag('list')) return list(talk, options, terminal)
    const host = oneHost(options)
    return options.flag('clear') ? clear(host, talk, options, terminal) : give(host, talk, options, terminal)
  },
}

async function give(host: string, talk: AgentTalk, options: Options, terminal: Terminal): Promise<number> {
  const reason = options.text('reason')?.trim() ?? ''
  if (reason === '') throw new UsageError('--reason is missing: say why the host must go nevertheless')
  const duration = options.text('for')
  if (duration === undefined) throw new UsageError('--for is missing: say for how long')
  const expiresInSeconds = durationOf('for', duration, { max: '24h' })
  const by = options.text('by')?.trim() ?? whoRunsThis()
  if (by === '') throw new UsageError('--by must not be empty')

  const blocked = await hostOfGate(host, talk)
  const told = await talk.setOverride({ host: blocked?.uuid ?? host, reason, by, expiresInSeconds })
  const now = Date.now()
  if (!told.ok) {
    tellProblem(terminal, options, now, told.problem)
    if (told.problem.code === 'toolstackUnreachable') {
      terminal.stderr.write('Whether it was written is not known: see resync-monitor override --list\n')
    }
    return EXIT.failed
  }
  const overridden = blocked === null ? null : overriddenBy(blocked)
  const name = blocked === null ? host : nameOf(blocked)
  if (options.flag('json')) {
    printJson(terminal, now, { host: blocked?.uuid ?? host, name, override: told.value, overridden })
    return EXIT.ok
  }
  const page = pageOf(terminal, now)
  const fold = (text: string, indent = 0) => folded(shown(text), indent, page.columns)
  print(terminal, [
    ...fold(
      `${name} may reboot and shut down until ${sayMoment(told.value.expiresAt, now)}, by override of ${told.value.by}.`,
    ),
    ...(told.value.inForce
      ? []
      : fold('It is written, but the gate has not taken it yet: see resync-monitor override --list')),
    ...fold(
      'RISK: virtual disks whose last good copy is on this host stop while it is down, and what they have written there last may be lost. No other host is let go.',
    ),
    ...(overridden === null || overridden.length === 0
      ? fold(
          overridden === null
            ? 'Which reasons it overrides could not be found out: resync-monitor explain'
            : 'Storage lets this host go at present: nothing is overridden.',
        )
      : ['It overrides:', ...overridden.flatMap(({ text }) => fold(text, 2))]),
    ...fold(`To end it early: resync-monitor override --clear ${name}`),
  ])
  return EXIT.ok
}

async function clear(host: string, talk: AgentTalk, options: Options, terminal: Terminal): Promise<number> {
  // What was typed may be a beginning of a UUID, which only the gate's answer tells the meaning of.
  const found = await hostOfGate(host, talk)
  const told = await talk.clearOverride(found?.uuid ?? host)
  const now = Date.now()
  if (!told.ok) {
    tellProblem(terminal, options, now, told.problem)
    return EXIT.failed
  }
  if (options.flag('json'))
    printJson(terminal, now, { host: found?.uuid ?? host, name: found?.name ?? null, cleared: true })
  else print(terminal, [`${shown(found === null ? host : nameOf(found))} has no override any more.`])
  return EXIT.ok
}

async function list(talk: AgentTalk, options: Options, terminal: Terminal): Promise<number> {
  const [surplus] = options.operands
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected with --list`)
  const gate = await talk.gate()
  const now = Date.now()
  if (!gate.ok) {
    tellProblem(terminal, options, now, gate.problem)
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
    `${shown(name)}  ${state}`,
    ...folded(shown(`until ${sayMoment(expiresAt, page.now)}, by ${by}: ${reason}`), 2, page.columns),
  ]
}

function oneHost({ operands }: Options): string {
  const [host, surplus] = operands
  if (host === undefined) throw new UsageError('a HOST is missing')
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here: an override is for one host`)
  return host
}

/** What the gate says of the host; `null` where that cannot be found out. */
async function hostOfGate(host: string, talk: AgentTalk): Promise<GateHostAnswer | null> {
  const gate = await talk.gate()
  if (!gate.ok) return null
  const found = findNamed(host, gate.value.hosts, 'host')
  return found.ok ? found.value : null
}

function overriddenBy({ reasons }: GateHostAnswer): Cause[] {
  return causesOfGate(reasons, { coordinator: null }, null).filter(({ scope }) => scope === 'gate')
}

/** The person, not the account that sudo lends. */
function whoRunsThis(): string {
  const { SUDO_USER: behindSudo = '' } = process.env
  if (behindSudo !== '') return behindSudo
  try {
    return `${userInfo().username}@${hostname()}`
  } catch {
    // An account that has no entry in the system's database, as in a container.
    return `${process.getuid?.() ?? ''}@${hostname()}`
  }
}
