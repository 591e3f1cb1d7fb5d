import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName, srName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { gateRemedy } from '../allowed-operations/reason/gate-reason.ts'
import { XenApiError } from '../xenapi-client/errors.ts'
import type { DemoOutput } from './demo-output.ts'
import type { DemoPool } from './pool.ts'

/**
 * Calls a host operation through XenAPI, as any client would, and prints the answer.
 * @returns XenAPI's error code; `null`: the operation was accepted
 */
export async function operateHost(
  pool: DemoPool,
  output: DemoOutput,
  { hostname, ref }: DemoPool['hosts'][number],
  operation: 'reboot' | 'shutdown' | 'power_on',
): Promise<string | null> {
  const details = { host: hostname, operation }
  try {
    await pool.client.call(`host.${operation}`, [ref])
    output.note(`host.${operation} of ${hostname}: accepted`, { ...details, accepted: true })
    return null
  } catch (error) {
    if (!(error instanceof XenApiError)) throw error
    const { code, params } = error
    const { verdict, pool: snapshot } = pool.verdict(ref, operation)
    const reasons = verdict === null || verdict.allowed ? [] : verdict.reasons
    const refusal = { ...details, accepted: false, error: [code, ...params], reasons }
    output.note(`host.${operation} of ${hostname}: refused, ${[code, ...params].join(' ')}`, refusal, [
      ...reasons.flatMap(reason => reasonAndRemedy(reason, snapshot)),
      ...(ORDINARY_REFUSALS[code] ?? []),
    ])
    return code
  }
}

/** What to do about refusals that storage did not cause. */
const ORDINARY_REFUSALS: Readonly<Record<string, readonly string[]>> = {
  HOST_IS_LIVE: ['The host is up; only a host that is down can be powered on.'],
  HOST_OFFLINE: ['The host is down; `power-on` starts it.'],
  HOST_NOT_DISABLED: ['The host is not in maintenance mode yet. The demo disables it; try again in a moment.'],
  OTHER_OPERATION_IN_PROGRESS: ['Another operation of the host has not ended; wait for it.'],
}

function reasonAndRemedy(reason: GateReason, pool: PoolSnapshot): string[] {
  const { code, host, sr, clearedBy } = reason
  const named = { uuid: pool.hosts.find(({ ref }) => ref === host)?.uuid ?? host, name: hostName(host, pool) }
  return [
    `because ${describeGate(reason, pool)}`,
    gateRemedy(code, { host: named, sr: srName(sr, pool), clearedBy }).text,
  ]
}
