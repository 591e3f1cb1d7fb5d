import type {
  CanRebootAnswer,
  GateAnswer,
  GateHostAnswer,
  GateReasonAnswer,
  HostAskedAbout,
  MirrorAnswer,
  MirrorsAnswer,
  Named,
  OverrideAnswer,
  UnwatchedAnswer,
} from '../../agent-api/agent-protocol.ts'
import type { JsonNode } from '../../platform/json/json-node.ts'
import type { Reason } from '../../sync-query/reason/reason.ts'
import { isReasonCode } from '../../sync-query/report/report.ts'
import { readCounts, readOrNull, readReason } from '../../sync-query/report/report-parse.ts'
import { type Activity, SYNC_STATES, type SyncState } from '../../sync-query/state.ts'

/**
 * The agent's answers as this program understands them. An agent may be older or newer: keys that are not known are
 * passed over, and reasons with a code that is not known are told with the sentence that came with them.
 */

const MAX_SRS = 1024
const MAX_HOSTS = 1024
const MAX_MIRRORS = 4096
const MAX_UNWATCHED = 1024
const MAX_REASONS = 16_384
const MAX_ERROR_WORDS = 64
const ACTIVITIES = ['none', 'resync', 'recovery', 'reshape', 'repair', 'check', 'verify'] as const satisfies Activity[]

export interface ListedSr {
  readonly sr: string
  readonly state: SyncState
}

export function readSrList(root: JsonNode): readonly ListedSr[] {
  return root.list(MAX_SRS).map(node => ({ sr: node.at('sr').text(), state: node.at('state').word(SYNC_STATES) }))
}

export function readMirrors(root: JsonNode): MirrorsAnswer {
  return {
    counts: readCounts(root.at('counts')),
    mirrors: root.at('mirrors').list(MAX_MIRRORS).map(readMirror),
    omitted: root.at('omitted').count(),
  }
}

export function readUnwatched(root: JsonNode): UnwatchedAnswer {
  const texts = (key: string) =>
    root
      .at(key)
      .list(MAX_UNWATCHED)
      .map(node => node.text())
  return { drbd: texts('drbd'), md: texts('md'), omitted: root.at('omitted').count(), doubts: texts('doubts') }
}

export function readGate(root: JsonNode): GateAnswer {
  return {
    at: momentOf(root.at('at')),
    coordinator: readOrNull(root.at('coordinator'), readNamed),
    hosts: root.at('hosts').list(MAX_HOSTS).map(readGateHost),
  }
}

export function readCanReboot(root: JsonNode): CanRebootAnswer {
  return {
    canReboot: root.at('canReboot').flag(),
    hosts: root.at('hosts').list(MAX_HOSTS).map(readHostAskedAbout),
    error: readOrNull(root.at('error'), readError),
    reasons: root.at('reasons').list(MAX_REASONS).map(readGateReason),
    ...omittedOf(root.at('reasonsOmitted')),
  }
}

export function readOverride(root: JsonNode): OverrideAnswer {
  return {
    reason: root.at('reason').possiblyEmptyText(),
    by: root.at('by').possiblyEmptyText(),
    expiresAt: momentOf(root.at('expiresAt')),
    inForce: root.at('inForce').flag(),
  }
}

function readGateHost(node: JsonNode): GateHostAnswer {
  const operations = node.at('operations').expectObject()
  return {
    ...readNamed(node),
    live: node.at('live').flag(),
    enabled: node.at('enabled').flag(),
    operations: Object.fromEntries(
      namesOf(operations.value).map(name => [name, readOrNull(operations.at(name), readError)]),
    ),
    reasons: node.at('reasons').list(MAX_REASONS).map(readGateReason),
    ...omittedOf(node.at('reasonsOmitted')),
    override: readOrNull(node.at('override'), readOverride),
  }
}

function readGateReason(node: JsonNode): GateReasonAnswer {
  const mirrorReasons = node.at('mirrorReasons')
  const mirrorReasonsOmitted = node.at('mirrorReasonsOmitted')
  const state = node.at('state')
  const progress = node.at('progress')
  const etaSeconds = node.at('etaSeconds')
  return {
    code: node.at('code').text(),
    host: readNamed(node.at('host')),
    sr: readNamed(node.at('sr')),
    clearedBy: node.at('clearedBy').word(['operator', 'time']),
    text: node.at('text').possiblyEmptyText(),
    since: readOrNull(node.at('since'), momentOf),
    ...(state.absent ? {} : { state: state.word(SYNC_STATES) }),
    ...(progress.absent ? {} : { progress: progress.number(0, 1) }),
    ...(etaSeconds.absent ? {} : { etaSeconds: etaSeconds.number(0, Number.MAX_VALUE) }),
    ...(mirrorReasons.absent ? {} : { mirrorReasons: mirrorReasons.list(MAX_REASONS).map(readReason) }),
    ...(mirrorReasonsOmitted.absent ? {} : { mirrorReasonsOmitted: mirrorReasonsOmitted.count() }),
  }
}

function readMirror(node: JsonNode): MirrorAnswer {
  return {
    mirror: node.at('mirror').text(),
    backend: node.at('backend').word(['drbd', 'md']),
    state: node.at('state').word(SYNC_STATES),
    activity: node.at('activity').word(ACTIVITIES),
    since: momentOf(node.at('since')),
    progress: readOrNull(node.at('progress'), each => each.number(0, 1)),
    etaSeconds: readOrNull(node.at('etaSeconds'), each => each.number(0, Number.MAX_VALUE)),
    outOfSyncBytes: readOrNull(node.at('outOfSyncBytes'), each => each.number(0, Number.MAX_VALUE)),
    // Of this host's own agent: a code that is not known here can only be of another version, whose sentence is not told.
    reasons: node
      .at('reasons')
      .list(MAX_REASONS)
      .map(readReason)
      .flatMap(each => (isReasonCode(each.code) ? [{ ...each, code: each.code } satisfies Reason] : [])),
  }
}

function readNamed(node: JsonNode): Named {
  return { uuid: node.at('uuid').text(), name: node.at('name').possiblyEmptyText() }
}

function readHostAskedAbout(node: JsonNode): HostAskedAbout {
  const enabled = node.at('enabled')
  return { ...readNamed(node), ...(enabled.absent ? {} : { enabled: enabled.flag() }) }
}

function readError(node: JsonNode): readonly string[] {
  return node.list(MAX_ERROR_WORDS).map(word => word.possiblyEmptyText())
}

function omittedOf(node: JsonNode): { reasonsOmitted?: number } {
  return node.absent ? {} : { reasonsOmitted: node.count() }
}

function momentOf(node: JsonNode): string {
  node.isoMoment()
  return node.text()
}

function namesOf(value: unknown): readonly string[] {
  return typeof value === 'object' && value !== null ? Object.keys(value) : []
}
