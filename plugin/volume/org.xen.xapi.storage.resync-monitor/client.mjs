// Asks the agent where curl cannot: `node client.mjs SOCKET PATH TIMEOUT_SECONDS < ARGUMENTS`. Prints and exits as curl
// does for smapi-call and the XenAPI plugin. For whatever Node a host has, so it is plain JavaScript and imports nothing
// of the program.
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
  // An agent that refuses what is too long answers, and then takes no more of it.
  if (isAnswered) return
  if (syscall === 'connect') end(CONNECT_FAILED)
  else end(code === 'ECONNRESET' || code === 'EPIPE' ? NO_ANSWER : CUT_OFF)
})
// More than fits into 32 bits of milliseconds would be over at once.
setTimeout(() => end(TIMED_OUT), Math.min(Number(timeoutSeconds), MAX_TIMEOUT_SECONDS) * 1000)
process.stdin.pipe(outgoing)
