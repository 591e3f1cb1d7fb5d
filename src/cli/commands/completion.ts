import { knownHosts, knownSrs } from '../ask/names.ts'
import { readOverview } from '../ask/overview.ts'
import { print, queriesOf } from '../ask/shell-command.ts'
import {
  type Command,
  EXIT,
  type ListedCommand,
  type Options,
  readOptions,
  type Terminal,
  UsageError,
} from '../terminal.ts'
import { bashCompletion, type CompletedCommand } from './completion-script.ts'

const HELP = `usage: resync-monitor completion bash

Prints the completion script for bash. \`completion names\` prints the names that the script completes: SRs and hosts, one per line.

  --socket PATH        socket of this host's agent, for \`names\` (default: /run/resync-monitor/agent.sock)

Exit codes: 0 printed; 1 the agent does not answer; 64 wrong usage.

Example: resync-monitor completion bash > /etc/bash_completion.d/resync-monitor
`

/** The shell would interpret other characters. */
const SAFE_NAME = /^[A-Za-z0-9][\w.-]*$/
/** Somebody has pressed Tab and waits. */
const TIMEOUT_MS = 3_000

/** @param commands the commands that the script completes */
export function completionOf(commands: readonly ListedCommand[]): Command {
  return {
    help: HELP,
    async run(args, terminal) {
      const options = readOptions(args, { socket: { type: 'string' } })
      const [what, surplus] = options.operands
      if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
      switch (what) {
        case 'bash':
          terminal.stdout.write(bashCompletion(await withHelp(commands)))
          return EXIT.ok
        case 'names':
          return printNames(options, terminal)
        case undefined:
          throw new UsageError('the name of the shell is missing; valid: bash')
        default:
          throw new UsageError(`there is no completion for '${what}'; valid: bash`)
      }
    },
  }
}

function withHelp(commands: readonly ListedCommand[]): Promise<CompletedCommand[]> {
  return Promise.all(commands.map(async ({ name, load }) => ({ name, help: (await load()).help })))
}

async function printNames(options: Options, terminal: Terminal): Promise<number> {
  const answer = await readOverview(queriesOf(options, AbortSignal.timeout(TIMEOUT_MS)), Date.now)
  if (!answer.ok) return EXIT.failed
  const named = [
    ...knownSrs(answer.value).flatMap(({ uuid, name }) => (name === '' ? uuid : [name, uuid])),
    ...knownHosts(answer.value).map(({ name }) => name),
  ]
  print(terminal, [...new Set(named.filter(name => SAFE_NAME.test(name)))])
  return EXIT.ok
}
