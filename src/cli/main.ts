import { COMMANDS } from './commands.ts'
import { nearestWord } from './nearest-word.ts'
import { EXIT, type Terminal, UsageError } from './terminal.ts'

const HELP = `usage: resync-monitor COMMAND [OPTION…]

${COMMANDS.map(({ name, summary }) => `  ${name.padEnd(10)} ${summary}`).join('\n')}

\`resync-monitor COMMAND --help\` tells more of one command.
`

/** Runs one command; returns the process's exit code. The only place where an error becomes text on a terminal. */
export async function main(args: readonly string[]): Promise<number> {
  const terminal: Terminal = { stdin: process.stdin, stdout: process.stdout, stderr: process.stderr }
  // The reader of our output may leave (`| head`): that ends the program, it is no error.
  process.stdout.on('error', () => process.exit(0))
  const [name, ...rest] = args
  if (name === undefined || name === '--help' || name === '-h' || name === 'help') {
    terminal.stdout.write(HELP)
    return name === undefined ? EXIT.usage : EXIT.ok
  }
  const listed = COMMANDS.find(each => each.name === name)
  if (listed === undefined) {
    const nearest = nearestWord(
      name,
      COMMANDS.map(command => command.name),
    )
    const meant = nearest === null ? '' : `; did you mean ${nearest}?`
    terminal.stderr.write(`resync-monitor: there is no command '${name}'${meant}\n\n${HELP}`)
    return EXIT.usage
  }
  const command = await listed.load()
  if (rest.includes('--help') || rest.includes('-h')) {
    terminal.stdout.write(command.help)
    return EXIT.ok
  }
  try {
    return await command.run(rest, terminal)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    terminal.stderr.write(`resync-monitor ${name}: ${error.message}\n\n${command.help}`)
    return EXIT.usage
  }
}
