import { findNamed, nameOf } from '../ask/names.ts'
import { print, printJson, printProblem, queriesOf, SHELL_OPTIONS, SHELL_OPTIONS_HELP } from '../ask/shell-command.ts'
import { escaped } from '../screen/screen-text.ts'
import { type Command, EXIT, type Options, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor clear-order HOST --reason TEXT [OPTION…]

Clears the order to reboot or shut down that HOST has and does not carry out (reason told-to-go-and-still-here). After that the
pool no longer expects HOST to go down, so other hosts may. First make sure that nothing on HOST can still carry the order out.

  HOST                 a name, a UUID, or the first four or more characters of a UUID
  --reason TEXT        why the host does not go down; it is logged
${SHELL_OPTIONS_HELP}

Exit codes: 0 done; 1 not done; 64 wrong usage.

Example: resync-monitor clear-order hostB --reason "shutdown hangs, console checked"
`

export const clearOrder: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, { ...SHELL_OPTIONS, reason: { type: 'string' } })
    const operand = oneHost(options)
    const reason = options.text('reason')?.trim() ?? ''
    if (reason === '') throw new UsageError('--reason is missing: give the reason why the host does not go down')
    const agent = queriesOf(options)
    const gate = await agent.gate()
    const found = gate.ok ? findNamed(operand, gate.value.hosts, 'host') : null
    const host = found?.ok ? found.value : null
    const answer = await agent.clearOrder(host?.uuid ?? operand, reason)
    const now = Date.now()
    if (!answer.ok) {
      printProblem(terminal, options, now, answer.problem)
      return EXIT.failed
    }
    if (options.flag('json')) {
      printJson(terminal, now, { host: host?.uuid ?? operand, name: host?.name ?? null, cleared: true })
    } else print(terminal, [`${escaped(host === null ? operand : nameOf(host))} has no order now.`])
    return EXIT.ok
  },
}

function oneHost({ operands }: Options): string {
  const [host, surplus] = operands
  if (host === undefined) throw new UsageError('a HOST is missing')
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here: an order is for one host`)
  return host
}
