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
import { canRebootAnswer, type GateStatus, gateAnswer, resolveHosts } from './gate-answer.ts'
import type { GatedPoolOptions } from './gated-pool.ts'

export interface PoolPluginsOptions {
  readonly gateView: () => GateStatus
  /** Where the agent of a host (by its ref) answers; `undefined`: nobody has said. */
  readonly agentOf: (host: string) => string | undefined
}

type PluginAnswer = { readonly result: string } | { readonly error: readonly [string, ...string[]] }

/** A call of a host's plugin may take so long if nobody says otherwise. */
const PLUGIN_TIMEOUT_MS = 30_000

/**
 * `host.call_plugin` of an embedded pool. There is the one plugin of this project: `gate` and `can-reboot` are about the
 * pool and answered here, whatever host they are asked of; `report` and `status` are what the agent of that host answers.
 */
export function pluginsOf({ gateView, agentOf }: PoolPluginsOptions): GatedPoolOptions['plugins'] {
  return async ({ host, plugin, fn, args, signal }: PluginCall): Promise<PluginAnswer> => {
    if (plugin !== PLUGIN_NAME) return { error: ['XENAPI_MISSING_PLUGIN', plugin] }
    const failure = (exception: PluginErrorName, text: string): PluginAnswer => ({
      error: ['XENAPI_PLUGIN_FAILURE', fn, exception, text],
    })
    if (!isPluginFunction(fn)) return failure('UnknownFunction', UNKNOWN_FUNCTION_TEXT)
    switch (fn) {
      case 'gate':
        return { result: gateAnswer(gateView(), args.host) }
      case 'can-reboot': {
        const view = gateView()
        const hosts = resolveHosts(view.verdicts.pool, parseHosts(args.hosts ?? ''))
        return 'refs' in hosts
          ? { result: canRebootAnswer(view, hosts.refs) }
          : failure('InvalidArgument', `hosts: ${hosts.problem}`)
      }
      case 'report':
      case 'status': {
        const agent = agentOf(host)
        if (agent === undefined)
          return failure('NoAgent', 'the configuration does not say where the agent of this host is')
        return askAgent(agent, fn, args, signal, failure)
      }
    }
  }
}

async function askAgent(
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
