import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0'
import { AgentClient, AgentNotUnderstood } from '../agent-api/agent-client.ts'
import { isPollProof, newPollSecret } from '../agent-api/poll-proof.ts'
import type { Log } from '../platform/systemd/log.ts'

/** What answered a poll did not prove that it is the agent of that host. */
class UnverifiedAnswer extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'UnverifiedAnswer'
  }
}

/** A host whose agent is polled. */
export interface PolledHost {
  readonly uuid: string
  readonly name: string
  /** Where its agent answers; `undefined`: the configuration does not say. */
  readonly agent: string | undefined
  /** The key that its agent handed over in its session; `null`: none yet. */
  readonly key: string | null
}

/** An agent that was restarted has another key until its next heartbeat arrives: that is no reason to log anything. */
const LOG_AFTER_FAILURES = 3

/**
 * Polls the agents of hosts, and believes only answers that carry the agent's proof (poll-proof/index.ts).
 *
 * Invariant: an answer that is not verified is never returned. It is logged once per host until an answer is verified again.
 */
export class AgentPolls {
  readonly #log: Log
  /** By UUID of the host: unverified answers since the last verified one. */
  readonly #unverified = new Map<string, number>()

  constructor(log: Log) {
    this.#log = log
  }

  /**
   * @param sr UUID of the SR
   * @returns the text of the host's report
   * @throws UnverifiedAnswer; AgentUnreachable; JSONRPCErrorException: what the agent says instead
   */
  async report(host: PolledHost, sr: string, signal: AbortSignal): Promise<string> {
    try {
      const text = await askForReport(host, sr, signal)
      if ((this.#unverified.get(host.uuid) ?? 0) >= LOG_AFTER_FAILURES) {
        this.#log({
          level: 'info',
          code: 'poll-verified',
          text: `the agent of ${host.name} answers polls with its proof`,
        })
      }
      this.#unverified.delete(host.uuid)
      return text
    } catch (error) {
      if (error instanceof UnverifiedAnswer) this.#note(host, error.message)
      throw error
    }
  }

  #note(host: PolledHost, why: string): void {
    const count = (this.#unverified.get(host.uuid) ?? 0) + 1
    this.#unverified.set(host.uuid, count)
    if (count !== LOG_AFTER_FAILURES) return
    const text = `answers to polls of ${host.name} at ${host.agent} are not believed: ${why}. Its reports expire unless it pushes them`
    this.#log({ level: 'warning', code: 'poll-unverified', text })
  }
}

async function askForReport({ agent, uuid: host, key }: PolledHost, sr: string, signal: AbortSignal): Promise<string> {
  if (agent === undefined) throw new Error('the configuration does not say where the agent of this host is')
  if (key === null) throw new UnverifiedAnswer('its agent has handed over no key with its heartbeats; update the agent')
  const about = { host, sr, nonce: newPollSecret() }
  const answer = await new AgentClient(agent)
    .call('SR.proven_report', { sr, nonce: about.nonce }, signal)
    .catch((error: unknown) => {
      if (error instanceof JSONRPCErrorException && error.code === JSONRPCErrorCode.MethodNotFound) {
        throw new UnverifiedAnswer('what answers there knows no proof; update the agent')
      }
      if (error instanceof AgentNotUnderstood) throw new UnverifiedAnswer('the answer carries no proof')
      throw error
    })
  if (isPollProof(answer.proof, key, about, answer.report)) return answer.report
  throw new UnverifiedAnswer('the proof is wrong; see which process answers there')
}
