import { resolve } from 'node:path'
import type { ZodType, z } from 'zod'
import { describeConfigProblem, type ParsedConfigFile } from '../../platform/config-file/parse-config-file.ts'
import { readConfigFile } from '../../platform/config-file/read-config-file.ts'
import { watchConfigFile } from '../../platform/config-file/watch-config-file.ts'
import { messageOf } from '../../platform/errors.ts'
import { DAEMON_LOG_LEVELS, type Log, type LogLevel, type LogOf, logWithLevels } from '../../platform/systemd/log.ts'
import { ServiceManager } from '../../platform/systemd/service-manager.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { SerialQueue } from '../../platform/time/serial-queue.ts'
import { EXIT, type Options, type Terminal, UsageError } from '../terminal.ts'

/** A program that runs until a signal stops it. */
export interface Daemon<Config> {
  reload(config: Config): Promise<void>
  close(): Promise<void>
}

/** The levels of syslog(3), which journald reads as `<N>` at the beginning of a line. */
const SYSLOG: Readonly<Record<LogLevel, number>> = { info: 6, warning: 4, error: 3 }

const KILL_AFTER_MS = 5_000

/**
 * Runs a daemon with a configuration file: starts it, reloads it when the file changes and on SIGHUP, notifies systemd, and stops it
 * on SIGTERM or SIGINT. A configuration that cannot be used prevents the start; a running daemon keeps its previous one.
 */
export async function runDaemon<Schema extends ZodType>(
  file: string,
  schema: Schema,
  start: (config: z.output<Schema>, log: Log) => Promise<Daemon<z.output<Schema>>>,
  { stderr }: Terminal,
): Promise<number> {
  const forJournal = process.env.JOURNAL_STREAM !== undefined
  const writeEntry: Log = ({ level, code, text }) => {
    const line = text.replaceAll(/[\r\n]+/g, ' ')
    stderr.write(`${forJournal ? `<${SYSLOG[level]}>` : `${new Date().toISOString()} ${level} `}${code}: ${line}\n`)
  }
  const log = logWithLevels(writeEntry, DAEMON_LOG_LEVELS)
  const parsed = await readConfigFile(file, schema)
  if (!parsed.ok) {
    for (const problem of parsed.problems) stderr.write(`${describeConfigProblem(problem)}\n`)
    return EXIT.dataError
  }
  const manager = new ServiceManager({
    environment: process.env,
    pid: process.pid,
    clock: machineClock,
    onProblem: problem => log('service-manager', problem),
  })
  const stop = new AbortController()
  const stopNow = () => stop.abort()
  // Not `once`: it removes this listener before execa's listeners run, and execa then ends this process with the signal.
  process.on('SIGTERM', stopNow).on('SIGINT', stopNow)
  let daemon: Daemon<z.output<Schema>>
  try {
    daemon = await start(parsed.config, writeEntry)
  } catch (error) {
    log('cannot-start', messageOf(error))
    return EXIT.failed
  }
  /** Reloads run one after the other. */
  const reloads = new SerialQueue()
  const reload = (parsed: Promise<ParsedConfigFile<z.output<Schema>>>) => {
    return reloads.run(async () => apply(await parsed, daemon, log))
  }
  const onHangup = () => void reload(readConfigFile(file, schema))
  process.on('SIGHUP', onHangup)
  log('started', `configured by ${file}`)
  await manager.ready()
  for await (const changed of watchConfigFile(file, schema, parsed, stop.signal, machineClock))
    await reload(Promise.resolve(changed))
  process.off('SIGHUP', onHangup)
  await manager.stopping()
  await reloads.ended()
  await daemon.close()
  log('stopped', 'all is closed')
  // A read of sysfs that hangs in the kernel would keep the process alive.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), KILL_AFTER_MS).unref()
  return EXIT.ok
}

async function apply<Config>(
  parsed: ParsedConfigFile<Config>,
  daemon: Daemon<Config>,
  log: LogOf<keyof typeof DAEMON_LOG_LEVELS>,
): Promise<void> {
  if (parsed.ok) {
    try {
      await daemon.reload(parsed.config)
      log('reloaded', 'the configuration was read again')
    } catch (error) {
      log('reload-failed', messageOf(error))
    }
    return
  }
  const text = parsed.problems.map(describeConfigProblem).join('; ')
  log('configuration-refused', `${text}; the previous configuration stays in effect`)
}

/** The file that `--config` names, or the default. @throws UsageError */
export function configFile(options: Options, byDefault: string): string {
  const [surplus] = options.operands
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
  return resolve(options.text('config') ?? byDefault)
}
