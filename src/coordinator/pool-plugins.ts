import { AgentClient, AgentUnreachable } from '../agent-api/agent-client.ts'
import {
  isPluginFunction,
  PLUGIN_NAME,
  type PluginErrorName,
  parseHosts,
  UNKNOWN_FUNCTION_TEXT,
} from '../agent-api/plugin-functions.ts'
import type { PluginCall } from '../embedded-pool/calls/host-calls.ts'
import { messageOf } from '../platform/errors.ts'
import { canRebootAnswer, gateAnswer, resolveHosts } from './gate-answer.ts'
import type { PluginContext } from './gated-pool.ts'

type PluginAnswer = { readonly result: string } | { readonly error: readonly [string, ...string[]] }

/** A plugin call may take this long. */
const PLUGIN_TIMEOUT_MS = 30_000

/**
 * Answers `host.call_plugin` of an embedded pool, which has one plugin, that of this project. The functions `gate` and `can-reboot`
 * concern the whole pool, so the answer is the same for every host. The functions `report` and `status` are forwarded to the agent of
 * the host.
 *
 * @param agentOf the address of the agent of a host, by UUID; `undefined`: not configured
 */
export async function answerPlugin(
  { host, plugin, fn, args, signal }: PluginCall,
  gate: PluginContext,
  agentOf: (hostUuid: string) => string | undefined,
): Promise<PluginAnswer> {
  if (plugin !== PLUGIN_NAME) return { error: ['XENAPI_MISSING_PLUGIN', plugin] }
  const failure = (exception: PluginErrorName, text: string): PluginAnswer => ({
    error: ['XENAPI_PLUGIN_FAILURE', fn, exception, text],
  })
  if (!isPluginFunction(fn)) return failure('UnknownFunction', UNKNOWN_FUNCTION_TEXT)
  switch (fn) {
    case 'gate':
      return { result: gateAnswer(gate.verdicts(), args.host) }
    case 'can-reboot': {
      const verdicts = gate.verdicts()
      const hosts = resolveHosts(verdicts.pool, parseHosts(args.hosts ?? ''))
      return 'refs' in hosts
        ? { result: canRebootAnswer(verdicts, hosts.refs) }
        : failure('InvalidArgument', `hosts: ${hosts.problem}`)
    }
    case 'report':
    case 'status': {
      const uuid = gate.snapshot().hosts.find(({ ref }) => ref === host)?.uuid ?? ''
      const agent = agentOf(uuid)
      if (agent === undefined) return failure('NoAgent', 'the configuration has no agent address for this host')
      return callAgent(agent, fn, args, signal, failure)
    }
  }
}

async function callAgent(
  agent: string,
  fn: 'report' | 'status',
  { sr = '' }: PluginCall['args'],
  signal: AbortSignal,
  failure: (exception: PluginErrorName, text: string) => PluginAnswer,
): Promise<PluginAnswer> {
  try {
    const deadline = AbortSignal.any([signal, AbortSignal.timeout(PLUGIN_TIMEOUT_MS)])
    return { result: await new AgentClient(agent).call(fn, { sr }, deadline) }
  } catch (error) {
    const text = messageOf(error)
    return failure(error instanceof AgentUnreachable ? 'AgentUnreachable' : 'NoReport', text)
  }
}
