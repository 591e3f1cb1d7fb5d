/**
 * A drbdsetup for tests: prints the text of a file, then ends as it is told.
 *
 *     dying-drbdsetup.ts FILE EXIT-CODE|hang|SIGNAL events2 …
 */
import { readFileSync } from 'node:fs'

const [file = '', end = '0'] = process.argv.slice(2)
process.stdout.write(readFileSync(file, 'utf8'), () => {
  if (end === 'hang') setInterval(() => undefined, 1000)
  else if (end.startsWith('SIG')) process.kill(process.pid, end)
  else process.exitCode = Number(end)
})
