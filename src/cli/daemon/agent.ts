import program from '../../../package.json' with { type: 'json' }
import { AgentConfigSchema } from '../../agent/agent-config.ts'
import { AgentService } from '../../agent/agent-service.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { type Command, readOptions } from '../terminal.ts'
import { configFile, runDaemon } from './run-daemon.ts'

const HELP = `usage: resync-monitor agent [--config FILE]

Runs the daemon of one host. It follows the DRBD volumes and md arrays of the host, answers on a Unix socket, and publishes
reports, messages and tasks to the toolstack. It reads FILE again when FILE changes and on SIGHUP, and ends on SIGTERM.

  --config FILE    default: /etc/resync-monitor/config.yaml; docs/CONFIGURATION.md has every key

Exit codes: 0 ended by a signal; 1 cannot start; 64 wrong usage; 65 the configuration cannot be used.

Example: resync-monitor agent --config ./agent.yaml
`

export const agent: Command = {
  help: HELP,
  run: (args, terminal) =>
    runDaemon(
      configFile(readOptions(args, { config: { type: 'string' } }), '/etc/resync-monitor/config.yaml'),
      AgentConfigSchema,
      (config, log) => AgentService.start({ config, clock: machineClock, log, version: program.version }),
      terminal,
    ),
}
