import program from '../../package.json' with { type: 'json' }
import { COMMANDS } from './commands.ts'
import { nearestWord } from './nearest-word.ts'
import { EXIT, type ListedCommand, type Terminal, UsageError } from './terminal.ts'

const HELP = `usage: resync-monitor COMMAND [OPTION…]
       resync-monitor help COMMAND
       resync-monitor --version

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(11)} ${summary}`).join('\n')}

Exit codes: 0 success; 1 failed, or the answer is no; 64 wrong usage; 65 input or configuration cannot be used; 66 a file cannot be
read. \`resync-monitor help COMMAND\` has those of one command.
`

/** Runs one command and returns the exit code of the process. Only here an error becomes text on a terminal. */
export async function main(args: readonly string[]): Promise<number> {
  const terminal: Terminal = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr }
  // A reader that closes the pipe (`| head`) ends the program without an error.
  process.stdout.on('error', () => process.exit(0))
  const [name, ...rest] = args
  switch (name) {
    case undefined:
      terminal.stderr.write(HELP)
      return EXIT.usage
    case '--version':
    case '-V':
      terminal.stdout.write(`resync-monitor ${program.version}\n`)
      return EXIT.ok
    case 'help':
    case '--help':
    case '-h':
      return help(rest[0], terminal)
    default:
      return runCommand(name, rest, terminal)
  }
}

async function help(name: string | undefined, terminal: Terminal): Promise<number> {
  if (name === undefined) {
    terminal.stdout.write(HELP)
    return EXIT.ok
  }
  const listed = findCommand(name, terminal)
  if (listed === null) return EXIT.usage
  terminal.stdout.write((await listed.load()).help)
  return EXIT.ok
}

async function runCommand(name: string, args: readonly string[], terminal: Terminal): Promise<number> {
  if (args.includes('--help') || args.includes('-h')) return help(name, terminal)
  const listed = findCommand(name, terminal)
  if (listed === null) return EXIT.usage
  const command = await listed.load()
  try {
    return await command.run(args, terminal)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    terminal.stderr.write(`resync-monitor ${name}: ${error.message}\nsee \`resync-monitor help ${name}\`\n`)
    return EXIT.usage
  }
}

/** The command with this name; otherwise prints the error with the valid names, and returns `null`. */
function findCommand(name: string, { stderr }: Terminal): ListedCommand | null {
  const listed = COMMANDS.find(each => each.name === name)
  if (listed !== undefined) return listed
  const names = COMMANDS.map(command => command.name)
  const nearest = nearestWord(name, names)
  const question = nearest === null ? '' : `; did you mean ${nearest}?`
  stderr.write(
    `resync-monitor: there is no command '${name}'${question}\nvalid: ${names.join(', ')}\nsee \`resync-monitor help\`\n`,
  )
  return null
}
