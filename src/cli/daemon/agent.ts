import program from '../../../package.json' with { type: 'json' }
import { AgentConfigSchema } from '../../agent/agent-config.ts'
import { AgentService } from '../../agent/agent-service.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { type Command, readOptions } from '../terminal.ts'
import { configFile } from './config-option.ts'
import { runDaemon } from './run-daemon.ts'

const HELP = `usage: resync-monitor agent [--config FILE]

Runs the daemon of one host: follows its DRBD volumes and md arrays, answers on a unix socket, and pushes reports and
notifications to the toolstack. It reads FILE again when it changes and on SIGHUP, and ends on SIGTERM.

  --config FILE    default /etc/resync-monitor/config.yaml; docs/CONFIGURATION.md has every key

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
