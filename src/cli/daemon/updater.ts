import { resolve } from 'node:path'
import program from '../../../package.json' with { type: 'json' }
import { GuardConfigSchema, ToolstackKeySchema } from '../../coordinator/guard-config.ts'
import { PoolGuard } from '../../coordinator/pool-guard.ts'
import { PoolService } from '../../coordinator/pool-service.ts'
import { UpdaterConfigSchema } from '../../coordinator/updater-config.ts'
import { readConfigFile } from '../../platform/config-file/read-config-file.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { type Command, readOptions, UsageError } from '../terminal.ts'
import { configFile, runDaemon } from './run-daemon.ts'

const HELP = `usage: resync-monitor updater [--config FILE] [--toolstack embedded | xapi] [--state FILE]

Runs the daemon of the coordinator. With the embedded toolstack it is a pool that serves XenAPI, and the gate that keeps
host.allowed_operations of its hosts up to date. With xapi it guards a pool of unmodified toolstacks: it runs on every host and acts on
the coordinator. It reads the configuration again when it changes and on SIGHUP, and ends on SIGTERM.

  --config FILE    default: /etc/resync-monitor/updater.yaml; docs/CONFIGURATION.md has every key
  --toolstack KIND embedded or xapi; default: the key toolstack of the configuration, or embedded
  --state FILE     keep the database of the embedded pool in FILE, instead of the configured file

Exit codes: 0 ended by a signal; 1 cannot start; 64 wrong usage; 65 the configuration cannot be used.

Example: resync-monitor updater --config ./updater.yaml --state ./pool.json
`

export const updater: Command = {
  help: HELP,
  run: async (args, terminal) => {
    const options = readOptions(args, {
      config: { type: 'string' },
      toolstack: { type: 'string' },
      state: { type: 'string' },
    })
    const file = configFile(options, '/etc/resync-monitor/updater.yaml')
    const state = options.text('state')
    const kind = options.text('toolstack') ?? (await toolstackOf(file))
    if (kind !== 'embedded' && kind !== 'xapi') throw new UsageError(`--toolstack ${kind}: must be embedded or xapi`)
    if (kind === 'xapi') {
      if (state !== undefined) throw new UsageError('--state is for the embedded toolstack only')
      return runDaemon(
        file,
        GuardConfigSchema,
        (config, log) => PoolGuard.start({ config, clock: machineClock, log, version: program.version }),
        terminal,
      )
    }
    const stateFile = state === undefined ? {} : { stateFile: resolve(state) }
    return runDaemon(
      file,
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

/** The toolstack that a configuration names. One that cannot be read is read again as a whole, which says what is wrong. */
async function toolstackOf(file: string): Promise<'embedded' | 'xapi'> {
  const parsed = await readConfigFile(file, ToolstackKeySchema)
  return parsed.ok ? parsed.config.toolstack : 'embedded'
}
