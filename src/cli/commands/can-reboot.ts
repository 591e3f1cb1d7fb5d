import type { CanRebootAnswer } from '../../agent-api/answers.ts'
import {
  pageOf,
  print,
  printJson,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
  talkOf,
  tellProblem,
} from '../ask/shell-command.ts'
import { byUrgency, type Cause, causesOfGate, nameOf } from '../screen/cause.ts'
import { causeLines } from '../screen/cause-lines.ts'
import { folded, shown } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor can-reboot [OPTION…] HOST…

Whether these hosts may be down, all of them at the same time, as far as storage is concerned. Asks the coordinator's gate.
A HOST is named by its name, its UUID, or a beginning of that of four characters or more.

${SHELL_OPTIONS_HELP}

Exits with 0 if they may, 1 if not (with the reasons, and what to do), 2 if it could not be found out.

Examples: xe host-disable host=hostB && xe host-evacuate host=hostB &&
            resync-monitor can-reboot hostB && xe host-reboot host=hostB
          resync-monitor can-reboot hostA hostB --json
`

const NOT_KNOWN = 2

export const canRebootCommand: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, SHELL_OPTIONS)
    if (options.operands.length === 0) throw new UsageError('a HOST is missing')
    const told = await talkOf(options).canReboot(options.operands)
    const now = Date.now()
    if (!told.ok) {
      tellProblem(terminal, options, now, told.problem)
      return NOT_KNOWN
    }
    const { canReboot, hosts, error } = told.value
    const causes = byUrgency(causesOfGate(told.value.reasons, { coordinator: null }, null))
    const { reasonsOmitted = 0 } = told.value
    if (options.flag('json')) printJson(terminal, now, { canReboot, hosts, xenapiError: error, causes, reasonsOmitted })
    else print(terminal, answerLines(told.value, causes, pageOf(terminal, now)))
    return canReboot ? EXIT.ok : EXIT.failed
  },
}

function answerLines(
  { canReboot, hosts, error, reasonsOmitted = 0 }: CanRebootAnswer,
  causes: readonly Cause[],
  page: Page,
): string[] {
  const names = hosts.map(host => shown(nameOf(host))).join(', ')
  const together = hosts.length > 1 ? ' together' : ''
  if (canReboot && causes.length === 0) return [`${page.paint('good', 'yes')}: ${names} may be down${together}`]
  if (canReboot) {
    const overridden = causes.filter(({ scope }) => scope === 'gate')
    return [
      `${page.paint('unsure', 'yes')}: ${names} may be down${together}, by override, although storage says no:`,
      ...overridden.flatMap(({ text }) => folded(shown(text), 2, page.columns)),
    ]
  }
  const said = error === null ? '' : ` (${shown(error.join(' '))})`
  return [
    ...folded(`${page.paint('bad', 'no')}: ${names} must stay up${said}`, 0, page.columns),
    '',
    ...causeLines(causes, page),
    ...(reasonsOmitted > 0 ? [`and ${reasonsOmitted} more: resync-monitor explain`] : []),
  ]
}
