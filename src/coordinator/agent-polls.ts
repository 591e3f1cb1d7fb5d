import { JSONRPCErrorCode, JSONRPCErrorException } from 'json-rpc-2.0'
import { AgentClient, AgentNotUnderstood } from '../agent-api/agent-client.ts'
import { isPollProof, newPollSecret } from '../agent-api/poll-proof.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { PollTarget } from './gated-pool.ts'

/** The answer to a poll has no proof that it is from the agent of that host. */
class UnverifiedAnswer extends Error {
  constructor(why: string) {
    super(why)
    this.name = 'UnverifiedAnswer'
  }
}

/** An agent that was restarted has another key until its next heartbeat arrives, which is not worth a line in the log. */
const LOG_AFTER_FAILURES = 3

/**
 * Polls the agents of hosts, and accepts only answers that contain the agent's proof (agent-api/poll-proof.ts).
 *
 * Invariant: an answer that is not verified is never returned. It is logged once per host until an answer is verified again.
 */
export class AgentPolls {
  readonly #log: CoordinatorLog
  /** By UUID of the host: unverified answers since the last verified one. */
  readonly #unverified = new Map<string, number>()

  constructor(log: CoordinatorLog) {
    this.#log = log
  }

  /**
   * @param agent the address of the agent; `undefined`: not configured
   * @returns the text of the host's report
   * @throws UnverifiedAnswer; AgentUnreachable; JSONRPCErrorException: the error that the agent answers with
   */
  async report(target: PollTarget, agent: string | undefined, signal: AbortSignal): Promise<string> {
    const { hostUuid, hostName } = target
    try {
      const text = await pollAgent(target, agent, signal)
      if ((this.#unverified.get(hostUuid) ?? 0) >= LOG_AFTER_FAILURES) {
        this.#log('poll-verified', `the agent of ${hostName()} answers polls with its proof`)
      }
      this.#unverified.delete(hostUuid)
      return text
    } catch (error) {
      if (error instanceof UnverifiedAnswer) this.#count(target, agent, error.message)
      throw error
    }
  }

  #count({ hostUuid, hostName }: PollTarget, agent: string | undefined, why: string): void {
    const count = (this.#unverified.get(hostUuid) ?? 0) + 1
    this.#unverified.set(hostUuid, count)
    if (count !== LOG_AFTER_FAILURES) return
    const text = `answers to polls of ${hostName()} at ${agent} are rejected: ${why}. The reports of this host expire unless it pushes them`
    this.#log('poll-unverified', text)
  }
}

async function pollAgent(
  { hostUuid: host, sr, key }: PollTarget,
  agent: string | undefined,
  signal: AbortSignal,
): Promise<string> {
  if (agent === undefined) throw new Error('the configuration has no agent address for this host')
  if (key === null) throw new UnverifiedAnswer('its agent sends no key with its heartbeats; update the agent')
  const about = { host, sr, nonce: newPollSecret() }
  const answer = await new AgentClient(agent)
    .call('SR.proven_report', { sr, nonce: about.nonce }, signal)
    .catch((error: unknown) => {
      if (error instanceof JSONRPCErrorException && error.code === JSONRPCErrorCode.MethodNotFound) {
        throw new UnverifiedAnswer('the program at this address does not support proofs; update the agent')
      }
      if (error instanceof AgentNotUnderstood) throw new UnverifiedAnswer('the answer contains no proof')
      throw error
    })
  if (isPollProof(answer.proof, key, about, answer.report)) return answer.report
  throw new UnverifiedAnswer('the proof is wrong; check which process answers at this address')
}
