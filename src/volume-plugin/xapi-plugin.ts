import { type SyncAnswers, statusText } from '../agent-api/agent-methods.ts'
import {
  ASKED_BY_AGENT,
  isPluginFunction,
  PLUGIN_ERROR_OF,
  type PluginErrorName,
  type PoolFunction,
  parseHosts,
  UNKNOWN_FUNCTION_TEXT,
} from '../agent-api/plugin-functions.ts'
import { type PoolAnswers, PoolRefusal } from '../agent-api/pool-methods.ts'
import type { HttpAnswer } from '../platform/http/http-route.ts'
import { UUID_PATTERN } from '../platform/text/uuid.ts'
import { encodePollAnswer } from '../sync-query/report/report-encode.ts'
import { readXmlRpcCall } from './xml-rpc-call.ts'

/**
 * The plugin's script accepts only this type, because another program may answer at the socket. plugin/xapi-plugins/resync-monitor
 * has it too.
 */
const CONTENT_TYPE = 'application/vnd.resync-monitor.xapi+xml'

const UUID = new RegExp(`^${UUID_PATTERN}$`)

const CONTROL_CHARACTERS = /[^\P{Cc}\t\n\r]/gu

/** The answer to a call that is not UTF-8. */
export const CALL_NOT_UTF8 = failure('', 'InvalidArgument', 'the call is not UTF-8')

type Outcome = { readonly result: string } | { readonly exception: PluginErrorName; readonly text: string }

/**
 * Answers a call of the XenAPI plugin (agent-api/plugin-functions.ts), as the agent of the host that it is about.
 *
 * @param call the XML-RPC text that xapi hands to a plugin
 * @param pool absent at a socket that may not ask the pool
 */
export async function answerXapiPlugin(
  call: string,
  answers: SyncAnswers,
  pool: PoolAnswers | undefined,
  signal: AbortSignal,
): Promise<HttpAnswer> {
  const { name, args } = readXmlRpcCall(call)
  const outcome = await outcomeOf(name, args, answers, pool, signal)
  return 'result' in outcome ? success(outcome.result) : failure(name, outcome.exception, outcome.text)
}

async function outcomeOf(
  name: string,
  args: ReadonlyMap<string, string>,
  answers: SyncAnswers,
  pool: PoolAnswers | undefined,
  signal: AbortSignal,
): Promise<Outcome> {
  if (!isPluginFunction(name)) return UNKNOWN_FUNCTION
  switch (name) {
    case 'status':
      return { result: statusText(answers) }
    case 'report':
      return reportOf(args.get('sr')?.trim().toLowerCase(), answers)
    case 'gate':
    case 'can-reboot':
      if (args.has(ASKED_BY_AGENT)) {
        return { exception: 'NoGate', text: 'no updater of resync-monitor runs on the coordinator' }
      }
      return pool === undefined ? UNKNOWN_FUNCTION : askPool(name, args.get('hosts') ?? '', pool, signal)
  }
}

const UNKNOWN_FUNCTION: Outcome = { exception: 'UnknownFunction', text: UNKNOWN_FUNCTION_TEXT }

function reportOf(sr: string | undefined, answers: SyncAnswers): Outcome {
  if (sr === undefined || !UUID.test(sr))
    return { exception: 'InvalidArgument', text: 'the argument sr (a UUID) is missing' }
  const report = answers.report(sr)
  return report === null
    ? { exception: 'NotWatched', text: `this host does not watch the SR ${sr}` }
    : { result: encodePollAnswer(report) }
}

async function askPool(
  name: PoolFunction,
  hostsArgument: string,
  pool: PoolAnswers,
  signal: AbortSignal,
): Promise<Outcome> {
  const hosts = parseHosts(hostsArgument)
  if (name === 'can-reboot' && hosts.length === 0)
    return { exception: 'InvalidArgument', text: 'the argument hosts (UUIDs or names) is missing' }
  try {
    const answer = await (name === 'gate' ? pool.gate(signal) : pool.canReboot(hosts, signal))
    return { result: JSON.stringify(answer) }
  } catch (error) {
    if (!(error instanceof PoolRefusal)) throw error
    return { exception: PLUGIN_ERROR_OF[error.kind], text: error.message }
  }
}

function success(text: string): HttpAnswer {
  return answer(member('Status', 'Success') + member('Value', escaped(text)))
}

/** A failure in the shape that the plugins of XenServer use. */
function failure(name: string, kind: string, text: string): HttpAnswer {
  const description = ['XENAPI_PLUGIN_FAILURE', name, kind, text]
    .map(each => `<value>${escaped(each)}</value>`)
    .join('')
  const list = `<array><data>${description}</data></array>`
  return answer(member('Status', 'Failure') + member('ErrorDescription', list))
}

function answer(members: string): HttpAnswer {
  const result = `<methodResponse><params><param><value><struct>${members}</struct></value></param></params></methodResponse>`
  return { status: 200, contentType: CONTENT_TYPE, body: `<?xml version="1.0"?>${result}` }
}

function member(name: string, value: string): string {
  return `<member><name>${name}</name><value>${value}</value></member>`
}

/** XML 1.0 cannot contain control characters, escaped or not: one in a name would make the whole answer unreadable. */
function escaped(text: string): string {
  return text
    .replaceAll(CONTROL_CHARACTERS, '\u{fffd}')
    .replaceAll('&', '&amp;')
    .replaceAll('<', '&lt;')
    .replaceAll('>', '&gt;')
}
