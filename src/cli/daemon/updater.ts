import { resolve } from 'node:path'
import program from '../../../package.json' with { type: 'json' }
import { PoolService } from '../../coordinator/pool-service.ts'
import { UpdaterConfigSchema } from '../../coordinator/updater-config.ts'
import { type Command, readOptions } from '../terminal.ts'
import { configFile, runDaemon } from './run-daemon.ts'

const HELP = `usage: resync-monitor updater [--config FILE] [--state FILE]

Runs the daemon of the coordinator: an embedded pool that serves XenAPI, and the gate that keeps host.allowed_operations of its
hosts up to date. It reads the configuration again when it changes and on SIGHUP, and ends on SIGTERM.

  --config FILE    default: /etc/resync-monitor/updater.yaml; docs/CONFIGURATION.md has every key
  --state FILE     keep the pool's database in FILE, instead of the configured file

Exit codes: 0 ended by a signal; 1 cannot start; 64 wrong usage; 65 the configuration cannot be used.

Example: resync-monitor updater --config ./updater.yaml --state ./pool.json
`

export const updater: Command = {
  help: HELP,
  run: (args, terminal) => {
    const options = readOptions(args, { config: { type: 'string' }, state: { type: 'string' } })
    const state = options.text('state')
    const stateFile = state === undefined ? {} : { stateFile: resolve(state) }
    return runDaemon(
      configFile(options, '/etc/resync-monitor/updater.yaml'),
      UpdaterConfigSchema,
      async (config, log) => {
        const service = await PoolService.start({ ...config, ...stateFile }, log, program.version)
        return {
          reload: changed => service.reload({ ...changed, ...stateFile }),
          close: () => service.close(),
        }
      },
      terminal,
    )
  },
}
