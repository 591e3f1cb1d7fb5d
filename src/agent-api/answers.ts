import { z } from 'zod'
import { type Complaints, JsonNode } from '../platform/json/json-node.ts'
import type { Reason } from '../sync-query/reason/reason.ts'
import { isReasonCode } from '../sync-query/reason/reason.ts'
import { parseReport, readCounts, readReason } from '../sync-query/report/report-parse.ts'
import { type Activity, SYNC_STATES } from '../sync-query/state.ts'
import type { TransitionKind } from '../sync-query/transition.ts'

/**
 * The shapes of what an agent answers (methods.ts) and of its events. The types of the writers and the readers both derive from
 * these schemas. Times are ISO 8601 with a zone; a value that is not known is `null`. Keys may be added; no key is removed or
 * changes its meaning. A reader ignores keys that it does not know: the agent may be newer.
 */
const object = <Shape extends z.core.$ZodLooseShape>(shape: Shape) => z.object(shape).readonly()
const list = <Item extends z.ZodType>(item: Item) => z.array(item).readonly()

const ACTIVITIES = ['none', 'resync', 'recovery', 'reshape', 'repair', 'check', 'verify'] as const satisfies Activity[]
const TRANSITIONS = [
  'resync-started',
  'resync-finished',
  'degraded',
  'recovered',
  'unknown',
  'stalled',
  'paused',
] as const satisfies TransitionKind[]

const text = z.string()
const count = z.int().nonnegative()
const amount = z.number().nonnegative()
const fraction = z.number().min(0).max(1)
const state = z.enum(SYNC_STATES)
const moment = read(node => {
  node.isoMoment()
  return node.text()
})
const counts = read(readCounts)
const reportReasons = list(read(readReason))

/** A schema from a reader of reports: what stands in a report is defined there. */
function read<T>(reader: (node: JsonNode) => T) {
  return z.unknown().transform((value, context): T => {
    const complaints: Complaints = { first: null }
    const result = reader(new JsonNode(value, '', complaints))
    if (complaints.first === null) return result
    context.addIssue(complaints.first)
    return z.NEVER
  })
}

/** A report, by the reader that the gate uses. */
export const ReportAnswer = z.unknown().transform((value, context) => {
  const parsed = parseReport(value)
  if ('report' in parsed) return parsed.report
  context.addIssue(parsed.problem.text)
  return z.NEVER
})

export const ListedSr = object({ sr: text, state })
export type ListedSr = z.output<typeof ListedSr>

/** A host or an SR, by UUID and by name. */
const named = { uuid: text, name: text }
export const Named = object(named)
export type Named = z.output<typeof Named>

export const MirrorAnswer = object({
  mirror: text,
  backend: z.enum(['drbd', 'md']),
  state,
  activity: z.enum(ACTIVITIES),
  /** When the mirror entered its state. */
  since: moment,
  progress: fraction.nullable(),
  etaSeconds: amount.nullable(),
  outOfSyncBytes: amount.nullable(),
  /** A reader drops reasons whose codes it does not know: they come without a sentence. */
  reasons: reportReasons.transform((reasons): readonly Reason[] =>
    reasons.flatMap(each => (isReasonCode(each.code) ? [{ ...each, code: each.code }] : [])),
  ),
})
export type MirrorAnswer = z.output<typeof MirrorAnswer>

export const MirrorsAnswer = object({
  /** All mirrors of the SR on this host. */
  counts,
  /** The mirrors that are not synced, have a warning or are being verified; at most 200. */
  mirrors: list(MirrorAnswer),
  /** How many more of them there are. */
  omitted: count,
})
export type MirrorsAnswer = z.output<typeof MirrorsAnswer>

/** What this host has, or should have, that belongs to no SR. */
export const UnwatchedAnswer = object({
  /** Names of DRBD resources; at most 200. */
  drbd: list(text),
  /** Names of md arrays; at most 200. */
  md: list(text),
  /** How many more of both there are. */
  omitted: count,
  /** For each backend that has not reported everything: why there may be others. */
  doubts: list(text),
})
export type UnwatchedAnswer = z.output<typeof UnwatchedAnswer>

export const OverrideAnswer = object({
  reason: text,
  by: text,
  expiresAt: moment,
  /** The override allows its host's operations at this moment. */
  inForce: z.boolean(),
  /**
   * Only in the answer to `Override.set`, of a pool of unmodified toolstacks with a guard: the other hosts that keep the override from
   * having an effect. The guard lifts its pool-wide block only while every other host is enabled, and only for one override.
   */
  guard: object({
    /** They are disabled. */
    waitsFor: list(Named),
    /** They have an override, too. */
    otherOverrides: list(Named),
  }).exactOptional(),
})
export type OverrideAnswer = z.output<typeof OverrideAnswer>

export const GateReasonAnswer = object({
  /** One of `GATE_REASONS`; a newer coordinator may use others. */
  code: text,
  /** The host that causes the block; it need not be the host that is blocked. */
  host: Named,
  sr: Named,
  clearedBy: z.enum(['time', 'operator']),
  /** A sentence for people. */
  text,
  /** When the condition began. For a host that is down or silent: when it last confirmed a report, or became live. */
  since: moment.nullable(),
  state: state.exactOptional(),
  /** Progress of the resync that the host reports: 0..1, and seconds until its end. */
  progress: fraction.exactOptional(),
  etaSeconds: amount.exactOptional(),
  mirrorReasons: reportReasons.exactOptional(),
  mirrorReasonsOmitted: count.exactOptional(),
})
export type GateReasonAnswer = z.output<typeof GateReasonAnswer>

const xenApiError = list(text).nullable()

export const GateHostAnswer = object({
  ...named,
  live: z.boolean(),
  enabled: z.boolean(),
  /** Every operation of `host.allowed_operations`: `null` if allowed, otherwise XenAPI's error, with UUIDs in place of refs. */
  operations: z.record(text, xenApiError).readonly(),
  /** The storage rule's reasons for `reboot` and `shutdown`, including those that an override sets aside. */
  reasons: list(GateReasonAnswer),
  /** How many reasons were left out because the answer would be too long. */
  reasonsOmitted: count.exactOptional(),
  override: OverrideAnswer.nullable(),
})
export type GateHostAnswer = z.output<typeof GateHostAnswer>

/** The gate's decisions for the hosts of the pool. */
export const GateAnswer = object({
  at: moment,
  coordinator: Named.nullable(),
  hosts: list(GateHostAnswer),
  /** Every SR of the pool. An updater of an earlier version, and an answer about one host, omit the key. */
  srs: list(Named).exactOptional(),
})
export type GateAnswer = z.output<typeof GateAnswer>

/** `enabled`: the toolstack reboots no host that is enabled. An updater of an earlier version omits the key. */
const HostAskedAbout = object({ ...named, enabled: z.boolean().exactOptional() })

/** Whether these hosts may be down together. */
export const CanRebootAnswer = object({
  canReboot: z.boolean(),
  hosts: list(HostAskedAbout),
  /** XenAPI's error of the first host that is blocked, with UUIDs in place of refs. */
  error: xenApiError,
  reasons: list(GateReasonAnswer),
  reasonsOmitted: count.exactOptional(),
})
export type CanRebootAnswer = z.output<typeof CanRebootAnswer>

const srState = {
  sr: text,
  state,
  since: moment,
  mirrors: counts,
  outOfSyncBytes: amount.nullable(),
  progress: fraction.nullable(),
  etaSeconds: amount.nullable(),
  /** The first 10. */
  reasons: reportReasons,
  reasonsOmitted: count,
}

/** The state of an SR. */
const SrStateEvent = object(srState)
export type SrStateEvent = z.output<typeof SrStateEvent>

/** A transition of an SR, and its state after the transition. */
const TransitionEvent = object({
  ...srState,
  at: moment,
  transition: z.enum(TRANSITIONS),
  from: state.nullable(),
  to: state,
})
export type TransitionEvent = z.output<typeof TransitionEvent>

/**
 * The server-sent events of `GET /events`: the `event:` field, when it is sent, and the JSON of its `data:` field.
 *
 * Every event but the first `state` events and `reset` has an id. A reader that comes back with the last id that it has seen
 * (`Last-Event-ID`, or `?from=ID`) gets every event since then. The `state` events at the beginning have no id of their own; a block
 * with an id alone follows them, so a reader that was cut off among them starts again. A reader ignores kinds that it does not know.
 */
export const AGENT_EVENTS = {
  state: {
    when: 'for each SR at the beginning and after `reset`; when an SR begins to be watched',
    data: SrStateEvent,
  },
  transition: { when: 'for each transition of an SR, in order', data: TransitionEvent },
  removed: { when: 'when an SR is no longer watched', data: object({ sr: text }) },
  reset: {
    when: 'when the given ID is of another run of the agent, or older than what is kept (512 events, 4 MiB): `state` events follow',
    data: object({}),
  },
} as const
