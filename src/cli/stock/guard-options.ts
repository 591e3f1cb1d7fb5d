import { access } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type GuardConfig, GuardConfigSchema, ToolstackKeySchema } from '../../coordinator/guard-config.ts'
import { describeConfigProblem } from '../../platform/config-file/parse-config-file.ts'
import { readConfigFile } from '../../platform/config-file/read-config-file.ts'
import { type Options, type Terminal, UsageError } from '../terminal.ts'

/** Options of the commands that ask the toolstack of a stock pool. */
export const STOCK_OPTIONS = {
  'socket-xapi': { type: 'string' },
  config: { type: 'string' },
  json: { type: 'boolean' },
} as const

export const STOCK_OPTIONS_HELP = `  --socket-xapi PATH   socket of this host's toolstack (default: that of the configuration, or
                       /var/lib/xcp/xapi)
  --config FILE        configuration of the guard (default: /etc/resync-monitor/updater.yaml, if it exists)
  --json               print JSON; docs/SHELL.md has every key`

const DEFAULT_CONFIG = '/etc/resync-monitor/updater.yaml'

/**
 * How to reach the toolstack of this pool. Without a configuration file it is this host's unix socket.
 * @returns `null`: the configuration cannot be used, and standard error says why
 * @throws UsageError an option is wrong
 */
export async function guardConfigOf(options: Options, { stderr }: Terminal): Promise<GuardConfig | null> {
  const socket = options.text('socket-xapi')
  if (socket === '') throw new UsageError('--socket-xapi must not be empty')
  if (socket !== undefined) return GuardConfigSchema.parse({ socket: resolve(socket) })
  const given = options.text('config')
  const file = resolve(given ?? DEFAULT_CONFIG)
  if (given === undefined && !(await exists(file))) return GuardConfigSchema.parse({})
  const kind = await readConfigFile(file, ToolstackKeySchema)
  if (kind.ok && kind.config.toolstack === 'embedded') {
    stderr.write(
      `resync-monitor: ${file} has no \`toolstack: xapi\`: this command is for a pool of unmodified toolstacks\n`,
    )
    return null
  }
  const parsed = await readConfigFile(file, GuardConfigSchema)
  if (parsed.ok) return parsed.config
  for (const problem of parsed.problems) stderr.write(`${describeConfigProblem(problem)}\n`)
  return null
}

async function exists(file: string): Promise<boolean> {
  try {
    await access(file)
    return true
  } catch {
    return false
  }
}
