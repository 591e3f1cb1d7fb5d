import type { HttpAnswer } from '../http-server/index.ts'
import { encodePollAnswer } from '../sync-query/report-encode.ts'
import { type SyncAnswers, watchedSrs } from './agent-methods.ts'

/**
 * The XenAPI plugin takes nothing else for an answer of the agent: whatever answers at its socket instead will not say this.
 * plugin/xapi-plugins/resync-monitor has it too.
 */
const CONTENT_TYPE = 'application/vnd.resync-monitor.xapi+xml'

/** Neither a function's name nor a UUID can hold an entity, so the call need not be parsed beyond them. */
const FUNCTION = /<methodName>\s*(\w+)\s*<\/methodName>/
const SR_ARGUMENT =
  /<name>\s*sr\s*<\/name>\s*<value>\s*(?:<string>)?\s*([0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})\s*</i

/**
 * Answers `host.call_plugin(host, "resync-monitor", …)`.
 * - `report` `{ sr }`: the host's report, as the text that answers a poll
 * - `status` `{}`: `[{ sr, state }]`
 * @param call the XML-RPC text that xapi hands to a plugin
 */
export function answerXapiPlugin(answers: SyncAnswers, call: string): HttpAnswer {
  const name = FUNCTION.exec(call)?.[1] ?? ''
  if (name === 'status') return success(JSON.stringify(watchedSrs(answers)))
  if (name !== 'report') return failure(name, 'UnknownFunction', 'there are report and status')
  const sr = SR_ARGUMENT.exec(call)?.[1]?.toLowerCase()
  if (sr === undefined) return failure(name, 'InvalidArgument', 'the argument sr (a UUID) is missing')
  const report = answers.report(sr)
  return report === null
    ? failure(name, 'NotWatched', `this host does not watch the SR ${sr}`)
    : success(encodePollAnswer(report))
}

function success(text: string): HttpAnswer {
  return answer(member('Status', 'Success') + member('Value', escaped(text)))
}

/** In the shape that the plugins of XenServer use. */
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

function escaped(text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;')
}
