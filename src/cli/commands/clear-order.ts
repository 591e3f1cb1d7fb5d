import { findNamed } from '../ask/named-operand.ts'
import { print, printJson, SHELL_OPTIONS, SHELL_OPTIONS_HELP, talkOf, tellProblem } from '../ask/shell-command.ts'
import { nameOf } from '../screen/cause.ts'
import { shown } from '../screen/screen-text.ts'
import { type Command, EXIT, type Options, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor clear-order HOST --reason TEXT [OPTION…]

Clears the order to reboot or shut down that HOST has and does not carry out (reason told-to-go-and-still-here). From then on
the pool no longer takes HOST for going down, so other hosts may go. Make sure first that nothing on HOST can still carry the
order out.

  --reason TEXT        why the host does not go; it is logged
${SHELL_OPTIONS_HELP}

Exits with 0 if it was done, 1 if not.

Example: resync-monitor clear-order hostB --reason "shutdown hangs, console checked"
`

export const clearOrder: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, { ...SHELL_OPTIONS, reason: { type: 'string' } })
    const called = oneHost(options)
    const reason = options.text('reason')?.trim() ?? ''
    if (reason === '') throw new UsageError('--reason is missing: say why the host does not go')
    const talk = talkOf(options)
    const gate = await talk.gate()
    const found = gate.ok ? findNamed(called, gate.value.hosts, 'host') : null
    const host = found?.ok ? found.value : null
    const told = await talk.clearOrder(host?.uuid ?? called, reason)
    const now = Date.now()
    if (!told.ok) {
      tellProblem(terminal, options, now, told.problem)
      return EXIT.failed
    }
    if (options.flag('json')) {
      printJson(terminal, now, { host: host?.uuid ?? called, name: host?.name ?? null, cleared: true })
    } else print(terminal, [`${shown(host === null ? called : nameOf(host))} has no order any more.`])
    return EXIT.ok
  },
}

function oneHost({ operands }: Options): string {
  const [host, surplus] = operands
  if (host === undefined) throw new UsageError('a HOST is missing')
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here: an order is for one host`)
  return host
}
