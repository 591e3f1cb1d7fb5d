import type { Named, OverrideAnswer } from '../../agent-api/answers.ts'
import { firstName } from '../../allowed-operations/pool/find-by-name.ts'
import { DEFAULT_POLICY } from '../../allowed-operations/pool/gate-policy.ts'
import { GUARD_KEY, type GuardPresence, guardPresence } from '../../allowed-operations/pool/guard-heartbeat.ts'
import { decodeOverride, OVERRIDE_KEY, overrideInForce } from '../../allowed-operations/pool/override.ts'
import { epochMsOf } from '../../allowed-operations/pool/xapi-moments.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'
import { askToolstack } from './ask-toolstack.ts'

/**
 * Whether a guard acts in the pool of this toolstack. Uses the clock of the coordinator, on which the guard runs, if it answers.
 * @param pool, coordinator refs
 * @throws PoolRefusal
 */
export async function readGuardPresence(
  client: XenApiClient,
  clock: Clock,
  { pool, coordinator }: { readonly pool: unknown; readonly coordinator: string },
  signal: AbortSignal,
): Promise<GuardPresence> {
  const config = await askToolstack(client, 'pool.get_other_config', [pool], signal)
  const text = textOf(config, GUARD_KEY)
  if (text === undefined) return { state: 'never' }
  const time = await askToolstack(client, 'host.get_servertime', [coordinator], signal).catch(() => null)
  return guardPresence(text, epochMsOf(String(time)) ?? clock.now())
}

/**
 * What keeps the guard from lifting its pool-wide Task for the override of a host: other hosts that are disabled, and other hosts with an
 * override.
 * @param host UUID
 * @throws PoolRefusal
 */
export async function readGuardEffect(
  client: XenApiClient,
  host: string,
  now: number,
  signal: AbortSignal,
): Promise<NonNullable<OverrideAnswer['guard']>> {
  const answer = await askToolstack(client, 'host.get_all_records', [], signal)
  const waitsFor: Named[] = []
  const otherOverrides: Named[] = []
  for (const [ref, record] of Object.entries(answer ?? {})) {
    const { uuid, name_label, hostname, enabled, other_config } = Object.fromEntries(Object.entries(record ?? {}))
    if (typeof uuid !== 'string' || uuid === host) continue
    const named = { uuid, name: firstName(...[name_label, hostname, uuid].filter(name => typeof name === 'string')) }
    if (enabled !== true) waitsFor.push(named)
    const override = decodeOverride(ref, textOf(other_config, OVERRIDE_KEY) ?? '')
    if (override !== null && overrideInForce({ overrides: [override] }, ref, DEFAULT_POLICY, now)) {
      otherOverrides.push(named)
    }
  }
  return { waitsFor, otherOverrides }
}

function textOf(map: unknown, key: string): string | undefined {
  const value: unknown =
    typeof map === 'object' && map !== null ? Object.entries(map).find(([each]) => each === key)?.[1] : undefined
  return typeof value === 'string' ? value : undefined
}
