import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { findByName, hostNotFound } from '../allowed-operations/pool/find-by-name.ts'
import { messageOf } from '../platform/errors.ts'
import type { DemoOutput } from './demo-output.ts'
import type { DemoTerminal } from './demo-terminal.ts'
import { operateHost } from './operate-host.ts'
import type { DemoPool } from './pool.ts'

const CONSOLE_HELP = `  HOST is a name, a UUID, or the first four or more characters of a UUID
  reboot HOST      calls host.reboot of XenAPI
  shutdown HOST    calls host.shutdown
  power-on HOST    calls host.power_on
  status           shows each host's SR state and allowed operations
  quit`

/**
 * Reads commands line by line. On a terminal it returns on `quit`, at the end of input or on a signal; elsewhere on `quit` or a
 * signal.
 * @param print prints one answer that is no event of the pool
 */
export async function runConsole(
  pool: DemoPool,
  output: DemoOutput,
  { stdin }: DemoTerminal,
  print: (text: string) => void,
): Promise<void> {
  if (stdin.isTTY === true) print(`type a command:\n${CONSOLE_HELP}`)
  const lines = createInterface({ input: stdin })
  const leave = new AbortController()
  // Not `once`: see run-daemon.ts.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => leave.abort())
  lines.on('line', line => {
    const [verb = '', ...words] = line.trim().split(/\s+/)
    if (verb === 'quit' || verb === 'exit') leave.abort()
    else runLine(verb, words.join(' '), pool, output, print).catch(error => output.note(messageOf(error), {}))
  })
  const ended = stdin.isTTY === true ? once(lines, 'close', { signal: leave.signal }) : once(leave.signal, 'abort')
  await ended.catch(() => undefined)
  lines.close()
}

async function runLine(
  verb: string,
  operand: string,
  pool: DemoPool,
  output: DemoOutput,
  print: (text: string) => void,
): Promise<void> {
  switch (verb) {
    case '':
      return
    case 'status':
      for (const { ref, hostname } of pool.hosts) {
        const operations = pool.snapshot().hosts.find(each => each.ref === ref)?.allowedOperations ?? []
        print(`${hostname}  ${pool.status(hostname)?.state ?? 'off'}  allowed: ${operations.join(' ')}`)
      }
      return
    case 'reboot':
    case 'shutdown':
    case 'power-on': {
      const { hosts } = pool.snapshot()
      const found = findByName(operand, pool.hosts, ({ ref, hostname }) => ({
        uuid: hosts.find(each => each.ref === ref)?.uuid ?? ref,
        names: [hostname],
      }))
      if (found.ok) await operateHost(pool, output, found.value, verb === 'power-on' ? 'power_on' : verb)
      else print(hostNotFound(operand, found.candidates))
      return
    }
    default:
      print(CONSOLE_HELP)
  }
}
