import { lookAtAll } from '../ask/look.ts'
import { knownHosts, knownSrs } from '../ask/pool-names.ts'
import { print, talkOf } from '../ask/shell-command.ts'
import { COMMANDS } from '../commands.ts'
import { type Command, EXIT, type Options, readOptions, type Terminal, UsageError } from '../terminal.ts'
import { bashCompletion, type CompletedCommand } from './completion-script.ts'

const HELP = `usage: resync-monitor completion bash

Prints the completion script for bash. \`completion names\` prints what the script asks for: SRs and hosts, one a line.

  --socket PATH        where this host's agent answers, for \`names\` (default /run/resync-monitor/agent.sock)

Example: resync-monitor completion bash > /etc/bash_completion.d/resync-monitor
`

/** A name with other characters would be read by the shell as something else. */
const SAFE_NAME = /^[A-Za-z0-9][\w.-]*$/
/** Somebody has pressed a key and waits. */
const PATIENCE_MS = 3_000

export const completion: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, { socket: { type: 'string' } })
    const [what, surplus] = options.operands
    if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
    switch (what) {
      case 'bash':
        terminal.stdout.write(bashCompletion(await completedCommands()))
        return EXIT.ok
      case 'names':
        return printNames(options, terminal)
      case undefined:
        throw new UsageError('the name of a shell is missing: bash')
      default:
        throw new UsageError(`there is no completion for '${what}'; there is one for bash`)
    }
  },
}

function completedCommands(): Promise<CompletedCommand[]> {
  return Promise.all(COMMANDS.map(async ({ name, load }) => ({ name, help: (await load()).help })))
}

async function printNames(options: Options, terminal: Terminal): Promise<number> {
  const told = await lookAtAll(talkOf(options, AbortSignal.timeout(PATIENCE_MS)), Date.now)
  if (!told.ok) return EXIT.failed
  const named = [...knownSrs(told.value).map(({ uuid }) => uuid), ...knownHosts(told.value).map(({ name }) => name)]
  print(terminal, [...new Set(named.filter(name => SAFE_NAME.test(name)))])
  return EXIT.ok
}
