import { parseJson } from '../platform/json/parse-json.ts'
import { allowedOperations, decide } from './decide.ts'
import { DEFAULT_POLICY, type GatePolicy } from './pool/gate-policy.ts'
import {
  type HostOperation,
  type OperationErrors,
  STORAGE_OPERATIONS,
  tableOfOperations,
} from './pool/host-operation.ts'
import type { PoolSnapshot } from './pool/pool-snapshot.ts'
import { decodePoolState } from './pool/pool-state-decode.ts'
import type { GateReason } from './reason/gate-reason.ts'
import { stockErrors } from './rules/stock-rules.ts'

export interface WhatIfOptions {
  /** `stock`: the rules of an unmodified xapi. `project`: the gate. */
  readonly rules: 'project' | 'stock'
  readonly policy: GatePolicy['kind']
  /** Unix time in milliseconds. */
  readonly now: number
}

/** The answer to one line, ready for JSON. */
type WhatIfAnswer = ({ readonly id: unknown } & Findings) | { readonly id: unknown; readonly bad_input: string }

/** Keyed by host ref, then by operation. */
interface Findings {
  readonly errors: Readonly<Record<string, OperationErrors>>
  readonly allowed_operations: Readonly<Record<string, readonly HostOperation[]>>
  /** Why the storage rule blocks, for operations with reasons. The stock rules give no reasons. */
  readonly reasons: Readonly<Record<string, Readonly<Partial<Record<HostOperation, readonly GateReason[]>>>>>
  /** Stock rules only: the exception that xapi raises instead; `allowed_operations` then keep their stored values. */
  readonly exceptions?: Readonly<Record<string, string>>
}

const MAX_LINE_LENGTH = 16 * 1024 * 1024

const BAD_LINES = {
  'too-large': 'the line is longer than 16 MiB',
  'too-deep': 'the line is nested too deep',
  'not-json': 'the line is not JSON',
} as const

/** Answers one line of a what-if question: a pool as JSON (see `decodePoolState`), with an `id` that is returned. */
export function whatIf(line: string, options: WhatIfOptions): WhatIfAnswer {
  const parsed = parseJson(line, MAX_LINE_LENGTH)
  if ('problem' in parsed) return { id: null, bad_input: BAD_LINES[parsed.problem] }
  const json = parsed.value
  const id = typeof json === 'object' && json !== null && 'id' in json ? json.id : null
  const decoded = decodePoolState(json)
  if ('badInput' in decoded) return { id, bad_input: decoded.badInput }
  return { id, ...(options.rules === 'stock' ? stockFindings(decoded.pool) : gateFindings(decoded.pool, options)) }
}

function gateFindings(pool: PoolSnapshot, { policy, now }: WhatIfOptions): Findings {
  const verdicts = decide(pool, { ...DEFAULT_POLICY, kind: policy }, now)
  return {
    errors: byHost(verdicts, table =>
      tableOfOperations(operation => {
        const verdict = table[operation]
        return verdict.allowed ? null : verdict.error
      }),
    ),
    allowed_operations: byHost(verdicts, table => allowedOperations(operation => table[operation].allowed, pool)),
    reasons: byHost(verdicts, table =>
      Object.fromEntries(
        STORAGE_OPERATIONS.filter(operation => table[operation].reasons.length > 0).map(operation => [
          operation,
          table[operation].reasons,
        ]),
      ),
    ),
  }
}

function stockFindings(pool: PoolSnapshot): Findings {
  const { errors, exception } = stockErrors(pool)
  const hosts = new Map(pool.hosts.map(host => [host.ref, host]))
  const reasons = byHost(hosts, () => ({}))
  if (exception === undefined) {
    return {
      errors: byHost(errors, table => table),
      allowed_operations: byHost(errors, table => allowedOperations(operation => table[operation] === null, pool)),
      reasons,
    }
  }
  return {
    errors: {},
    reasons,
    allowed_operations: byHost(hosts, host => host.allowedOperations),
    exceptions: byHost(hosts, () => exception),
  }
}

function byHost<T, U>(hosts: ReadonlyMap<string, T>, find: (of: T) => U): Readonly<Record<string, U>> {
  return Object.fromEntries([...hosts].map(([ref, of]) => [ref, find(of)]))
}
