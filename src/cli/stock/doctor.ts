import { askStockPool } from '../../coordinator/guard-client.ts'
import { policyOf } from '../../coordinator/updater-config.ts'
import { foregroundClock } from '../../platform/time/clock.ts'
import { diagnose } from '../../stock-pool/operate/diagnose.ts'
import { readDoctorSnapshot } from '../../stock-pool/operate/doctor-snapshot.ts'
import { pageOf, print, printJson, printProblem } from '../ask/shell-command.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'
import { diagnosisDocument, diagnosisLines } from './doctor-page.ts'
import { guardConfigOf, STOCK_OPTIONS, STOCK_OPTIONS_HELP } from './guard-options.ts'

const HELP = `usage: resync-monitor doctor [OPTION…]

For a pool of unmodified toolstacks: shows on one page whether the pool is protected, and by what: the sentinel SR, the Task, the
guard, the reports of the hosts, and what is wrong. It changes nothing.

${STOCK_OPTIONS_HELP}

Exit codes: 0 protected; 1 not protected; 2 not known; 64 wrong usage; 65 the configuration cannot be used.

Example: resync-monitor doctor
`

const EXIT_OF_VERDICT = { protected: EXIT.ok, 'not-protected': EXIT.failed, unknown: 2 } as const

export const doctor: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, STOCK_OPTIONS)
    const [surplus] = options.operands
    if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
    const config = await guardConfigOf(options, terminal)
    if (config === null) return EXIT.dataError
    const answer = await askStockPool(config, foregroundClock, client => readDoctorSnapshot(client, foregroundClock))
    const now = Date.now()
    if (!answer.ok) {
      printProblem(terminal, options, now, answer.problem)
      return EXIT_OF_VERDICT.unknown
    }
    const diagnosis = diagnose(answer.value, policyOf(config))
    if (options.flag('json')) printJson(terminal, now, diagnosisDocument(diagnosis))
    else print(terminal, diagnosisLines(diagnosis, answer.value.nowMs, pageOf(terminal, now)))
    return EXIT_OF_VERDICT[diagnosis.verdict]
  },
}
