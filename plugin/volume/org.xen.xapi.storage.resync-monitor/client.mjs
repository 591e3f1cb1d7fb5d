// Asks the agent on hosts whose curl does not support unix sockets: `node client.mjs SOCKET PATH TIMEOUT_SECONDS < ARGUMENTS`. Output and
// exit codes are those of curl, for smapi-call and the XenAPI plugin. Plain JavaScript without imports of the program, so that any Node
// of a host can run it.
import { request } from 'node:http'

const CONNECT_FAILED = 7
const CUT_OFF = 18
const NO_ANSWER = 52
const TIMED_OUT = 28
const MAX_TIMEOUT_SECONDS = 86_400
const [socketPath, path, timeoutSeconds] = process.argv.slice(2)

let isOver = false
const end = (code, text = '') => {
  if (isOver) return
  isOver = true
  process.stdout.write(text, () => process.exit(code))
}

let isAnswered = false
const outgoing = request(
  { socketPath, path, method: 'POST', headers: { 'content-type': 'application/json' } },
  response => {
    isAnswered = true
    let answer = ''
    response.setEncoding('utf8')
    response.on('data', chunk => {
      answer += chunk
    })
    response.on('end', () => end(0, `${answer}\n${response.statusCode} ${response.headers['content-type'] ?? ''}`))
    response.on('error', () => end(CUT_OFF))
  },
)
outgoing.on('error', ({ syscall, code }) => {
  // An agent that refuses a request that is too long answers, and then reads no more of it.
  if (isAnswered) return
  if (syscall === 'connect') end(CONNECT_FAILED)
  else end(code === 'ECONNRESET' || code === 'EPIPE' ? NO_ANSWER : CUT_OFF)
})
// A timer of more than 32 bits of milliseconds would fire at once.
setTimeout(() => end(TIMED_OUT), Math.min(Number(timeoutSeconds), MAX_TIMEOUT_SECONDS) * 1000)
process.stdin.pipe(outgoing)
