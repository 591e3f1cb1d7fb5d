import { runDemo } from '../../demo/run-demo.ts'
import { type Command, EXIT, readOptions, UsageError } from '../terminal.ts'

const HELP = `usage: resync-monitor demo [OPTION…]

Starts an embedded pool of three hosts whose SR is mirrored over them. Each host runs a real agent on DRBD events that were
recorded from real kernels. Prints what happens. Type \`help\` for the commands.

  --speed N            how many times faster than recorded, 0.1 to 1000 (default 2; with --scenario 20)
  --port N             port of the XenAPI endpoint on 127.0.0.1 (default: any free port)
  --json               print one JSON object per line
  --scenario NAME      play a scenario first; the only one is reboot-and-resync
  --exit               end after the scenario

Exit codes: 0 ended, or the scenario ended as expected; 1 the scenario did not; 64 wrong usage.

Example: resync-monitor demo --scenario reboot-and-resync --json --exit
`

const SCENARIOS = ['reboot-and-resync'] as const

export const demo: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, {
      speed: { type: 'string' },
      port: { type: 'string' },
      json: { type: 'boolean' },
      scenario: { type: 'string' },
      exit: { type: 'boolean' },
    })
    if (options.operands.length > 0) throw new UsageError(`'${options.operands[0]}' is not expected here`)
    const scenario = options.choice('scenario', SCENARIOS) ?? null
    const exit = options.flag('exit')
    if (exit && scenario === null) throw new UsageError('--exit needs a --scenario to end after')
    const speed = numberOf(options.text('speed') ?? (scenario === null ? '2' : '20'), 'speed', 0.1, 1000)
    const port = numberOf(options.text('port') ?? '0', 'port', 0, 65_535)
    const ok = await runDemo({ speed, port, json: options.flag('json'), scenario, exit }, terminal)
    return ok ? EXIT.ok : EXIT.failed
  },
}

function numberOf(text: string, option: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new UsageError(`--${option} must be a number from ${least} to ${most}, not '${text}'`)
  }
  return value
}
