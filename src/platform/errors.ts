/** Turns whatever was thrown into text. A thrown value may be anything, not only an Error. */
import { getSystemErrorMap } from 'node:util'

/** What went wrong, in one sentence without a stack. Errors of the system are put in words: `/etc/x does not exist`. Never empty. */
export function messageOf(thrown: unknown): string {
  if (!(thrown instanceof Error)) return String(thrown)
  const ofSystem = systemErrorMessage(thrown)
  if (ofSystem !== null) return ofSystem
  if (thrown.message !== '') return thrown.message
  // node:net throws this when it has tried each address of a name. The causes are only in here.
  if (thrown instanceof AggregateError) return thrown.errors.map(messageOf).join('; ') || thrown.name
  return thrown.name
}

/** As `messageOf`, for a text that names the file or address itself: `does not exist`. */
export function bareMessageOf(thrown: unknown): string {
  const code = thrown instanceof Error && isSystemError(thrown) ? thrown.code : null
  return code === null ? messageOf(thrown) : systemText(code)
}

/** The message with the stack, for the log of a bug in this program. */
export function stackOf(thrown: unknown): string {
  return thrown instanceof Error ? (thrown.stack ?? messageOf(thrown)) : messageOf(thrown)
}

/** The system's code of an error (`ENOENT`, `EADDRINUSE`); `null` for other errors. */
export function codeOf(thrown: unknown): string | null {
  return thrown instanceof Error && 'code' in thrown && typeof thrown.code === 'string' ? thrown.code : null
}

const OWN_TEXTS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'does not exist'],
  ['EISDIR', 'is a directory'],
  ['ENOTDIR', 'a part of the path is not a directory'],
])
const SYSTEM_TEXTS: ReadonlyMap<string, string> = new Map(getSystemErrorMap().values())

/** The system's text for an error code: `no space left on device` for `ENOSPC`. An unknown code is its own text. */
export function systemText(code: string): string {
  return OWN_TEXTS.get(code) ?? SYSTEM_TEXTS.get(code) ?? code
}

/** The properties of an error that Node throws for a system call (`SystemError`). */
interface SystemError extends Error {
  readonly code: string
  readonly syscall: string
  readonly path?: unknown
  readonly hostname?: unknown
  readonly address?: unknown
  readonly port?: unknown
}

/** `null`: it is no error of a system call. */
function systemErrorMessage(error: Error): string | null {
  if (!isSystemError(error)) return null
  const { code, syscall } = error
  const object = objectOf(error)
  if (object === null) return systemText(code)
  switch (code) {
    case 'ENOENT':
      return syscall.startsWith('spawn') ? `there is no program ${object}` : `${object} does not exist`
    case 'ENOTDIR':
      return `${object}: a part of the path is not a directory`
    case 'ECONNREFUSED':
      return `${object} refuses the connection`
    case 'EADDRINUSE':
      return `another process listens at ${object}`
    case 'EADDRNOTAVAIL':
      return `this host does not have the address ${object}`
    case 'ENOTFOUND':
      return `the host name ${object} cannot be resolved`
    default:
      return `${object}: ${systemText(code)}`
  }
}

function isSystemError(error: Error): error is SystemError {
  return codeOf(error) !== null && 'syscall' in error && typeof error.syscall === 'string'
}

/** What the call was about: a path, a host name, or an address with its port. */
function objectOf({ path, hostname, address, port }: SystemError): string | null {
  if (typeof path === 'string') return path
  if (typeof hostname === 'string') return hostname
  if (typeof address !== 'string') return null
  return typeof port === 'number' && port > 0 ? `${address}:${port}` : address
}
