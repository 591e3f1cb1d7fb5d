import type { ZodType, z } from 'zod'
import { describeConfigProblem, type ParsedConfigFile } from '../../platform/config-file/parse-config-file.ts'
import { readConfigFile } from '../../platform/config-file/read-config-file.ts'
import { watchConfigFile } from '../../platform/config-file/watch-config-file.ts'
import { messageOf } from '../../platform/errors.ts'
import type { Log } from '../../platform/systemd/log.ts'
import { ServiceManager } from '../../platform/systemd/service-manager.ts'
import { machineClock } from '../../platform/time/clock.ts'
import { SerialQueue } from '../../platform/time/serial-queue.ts'
import { EXIT, type Terminal } from '../terminal.ts'

/** What runs until it is told to stop. */
export interface Daemon<Config> {
  reload(config: Config): Promise<void>
  close(): Promise<void>
}

/** The numbers of syslog(3), which journald reads as `<N>` at the beginning of a line. */
const SYSLOG = { info: 6, warning: 4, error: 3 } as const

const HELD_AT_MOST_MS = 5_000

/**
 * Runs a daemon on a configuration file: starts it, reloads it whenever the file changes or on SIGHUP, tells systemd how it
 * is, and stops it on SIGTERM or SIGINT. A wrong file ends a start, and never what already runs.
 */
export async function runDaemon<Schema extends ZodType>(
  file: string,
  schema: Schema,
  start: (config: z.output<Schema>, log: Log) => Promise<Daemon<z.output<Schema>>>,
  { stderr }: Terminal,
): Promise<number> {
  const forJournal = process.env.JOURNAL_STREAM !== undefined
  const log: Log = ({ level, code, text }) => {
    const line = text.replaceAll(/[\r\n]+/g, ' ')
    stderr.write(`${forJournal ? `<${SYSLOG[level]}>` : `${new Date().toISOString()} ${level} `}${code}: ${line}\n`)
  }
  const parsed = await readConfigFile(file, schema)
  if (!parsed.ok) {
    for (const problem of parsed.problems) stderr.write(`${describeConfigProblem(problem)}\n`)
    return EXIT.dataError
  }
  const manager = new ServiceManager({
    environment: process.env,
    pid: process.pid,
    clock: machineClock,
    onProblem: problem => log({ level: 'warning', code: 'service-manager', text: problem }),
  })
  const stop = new AbortController()
  const stopNow = () => stop.abort()
  // Not `once`: a listener that is taken away when it is called leaves those alone that execa has for its children, and
  // they then end this process with the signal.
  process.on('SIGTERM', stopNow).on('SIGINT', stopNow)
  let daemon: Daemon<z.output<Schema>>
  try {
    daemon = await start(parsed.config, log)
  } catch (error) {
    log({ level: 'error', code: 'cannot-start', text: messageOf(error) })
    return EXIT.failed
  }
  /** One reload after the other, whatever asks for them. */
  const reloads = new SerialQueue()
  const reload = (parsed: Promise<ParsedConfigFile<z.output<Schema>>>) => {
    return reloads.run(async () => take(await parsed, daemon, log))
  }
  const onHangup = () => void reload(readConfigFile(file, schema))
  process.on('SIGHUP', onHangup)
  log({ level: 'info', code: 'started', text: `configured by ${file}` })
  await manager.ready()
  for await (const changed of watchConfigFile(file, schema, parsed, stop.signal, machineClock))
    await reload(Promise.resolve(changed))
  process.off('SIGHUP', onHangup)
  await manager.stopping()
  await reloads.ended()
  await daemon.close()
  log({ level: 'info', code: 'stopped', text: 'all is closed' })
  // A read of sysfs that hangs in the kernel would hold the process for as long as it hangs.
  setTimeout(() => process.kill(process.pid, 'SIGKILL'), HELD_AT_MOST_MS).unref()
  return EXIT.ok
}

async function take<Config>(parsed: ParsedConfigFile<Config>, daemon: Daemon<Config>, log: Log): Promise<void> {
  if (parsed.ok) {
    try {
      await daemon.reload(parsed.config)
      log({ level: 'info', code: 'reloaded', text: 'the configuration was read again' })
    } catch (error) {
      log({ level: 'error', code: 'reload-failed', text: messageOf(error) })
    }
    return
  }
  const text = parsed.problems.map(describeConfigProblem).join('; ')
  log({ level: 'error', code: 'configuration-refused', text: `${text}; what was configured before goes on` })
}
