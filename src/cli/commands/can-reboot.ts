import type { CanRebootAnswer } from '../../agent-api/answers.ts'
import { nameOf } from '../ask/names.ts'
import {
  pageOf,
  print,
  printJson,
  printProblem,
  queriesOf,
  SHELL_OPTIONS,
  SHELL_OPTIONS_HELP,
} from '../ask/shell-command.ts'
import { byUrgency, type Cause, causesOfGate } from '../screen/cause.ts'
import { rootCauseLines } from '../screen/root-cause-lines.ts'
import { escaped, folded } from '../screen/screen-text.ts'
import type { Page } from '../screen/sr-lines.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor can-reboot [OPTION…] HOST…

Asks the coordinator's gate whether these hosts may be down at the same time, as far as storage is concerned.

  HOST                 a name, a UUID, or the first four or more characters of a UUID
${SHELL_OPTIONS_HELP}

Exit codes: 0 yes; 1 no, with the reasons and what to do; 2 not known; 64 wrong usage.

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
    const answer = await queriesOf(options).canReboot(options.operands)
    const now = Date.now()
    if (!answer.ok) {
      printProblem(terminal, options, now, answer.problem)
      return NOT_KNOWN
    }
    const { canReboot, hosts, error } = answer.value
    const causes = byUrgency(causesOfGate(answer.value.reasons, { coordinator: null }, null))
    const { reasonsOmitted = 0 } = answer.value
    if (options.flag('json')) printJson(terminal, now, { canReboot, hosts, xenapiError: error, causes, reasonsOmitted })
    else print(terminal, answerLines(answer.value, causes, pageOf(terminal, now)))
    return canReboot ? EXIT.ok : EXIT.failed
  },
}

function answerLines(
  { canReboot, hosts, error, reasonsOmitted = 0 }: CanRebootAnswer,
  causes: readonly Cause[],
  page: Page,
): string[] {
  const names = hosts.map(host => escaped(nameOf(host))).join(', ')
  const together = hosts.length > 1 ? ' together' : ''
  if (canReboot && causes.length === 0) return [`${page.paint('good', 'yes')}: ${names} may be down${together}`]
  if (canReboot) {
    const overridden = causes.filter(({ scope }) => scope === 'gate')
    return [
      `${page.paint('unsure', 'yes')}: ${names} may be down${together}, by override, although storage blocks:`,
      ...overridden.flatMap(({ text }) => folded(escaped(text), 2, page.columns)),
    ]
  }
  const xenapiError = error === null ? '' : ` (${escaped(error.join(' '))})`
  return [
    ...folded(`${page.paint('bad', 'no')}: ${names} must stay up${xenapiError}`, 0, page.columns),
    '',
    ...rootCauseLines(causes, page),
    ...(reasonsOmitted > 0 ? [`and ${reasonsOmitted} more: resync-monitor explain`] : []),
  ]
}
