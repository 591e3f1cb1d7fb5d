import { type Complaints, JsonNode } from '../../platform/json/json-node.ts'
import { parseJson } from '../../platform/json/parse-json.ts'
import { isBlocking, isReasonCode } from '../reason/reason.ts'
import type { Candidate } from '../reason/reason-kind.ts'
import { type StateCounts, SYNC_STATES, type SyncState, worstState } from '../state.ts'
import type { MirrorListEntry, Replica, Report, ReportReason } from './report.ts'
import { REPORT_BOUNDS } from './report-bounds.ts'

/**
 * Reads a report: JSON text, or a parsed value. Total over any input: what is not a report of this schema, or
 * contradicts itself, is a problem and never half a report. Unknown keys and unknown reason codes are accepted.
 *
 * Problem codes: `too-large`, `too-deep`, `not-json`, `unknown-schema`, `bad-value`, `contradiction`.
 */
export function parseReport(input: unknown): { report: Report } | { problem: ReportProblem } {
  let value = input
  if (typeof input === 'string') {
    if (Buffer.byteLength(input) > REPORT_BOUNDS.answerBytes) {
      return problem('too-large', `${input.length} characters`)
    }
    const parsed = parseJson(input, REPORT_BOUNDS.answerBytes)
    if ('problem' in parsed) return problem(parsed.problem, input)
    value = parsed.value
  }
  const complaints: Complaints = { first: null }
  const root = new JsonNode(value, '', complaints).expectObject()
  if (complaints.first !== null) return problem('bad-value', complaints.first)
  // First, because fields of another schema may have other meanings.
  if (root.at('schema').value !== 1) return problem('unknown-schema', excerpt(root.at('schema').value))
  const report = readReport(root)
  if (complaints.first !== null) return problem('bad-value', complaints.first)
  const contradiction = findContradiction(report)
  return contradiction === null ? { report } : problem('contradiction', contradiction)
}

function readReport(root: JsonNode): Report {
  const at = root.at('at')
  const since = root.at('since')
  at.isoMoment()
  since.isoMoment()
  const omitted = root.at('reasonsOmitted')
  const listSeq = root.at('listSeq')
  const mirrorList = root.at('mirrorList')
  return {
    schema: 1,
    host: root.at('host').text(),
    sr: root.at('sr').text(),
    bootId: root.at('bootId').text(),
    seq: root.at('seq').count(),
    at: at.text(),
    state: root.at('state').word(SYNC_STATES),
    since: since.text(),
    mirrors: readCounts(root.at('mirrors')),
    outOfSyncBytes: readOrNull(root.at('outOfSyncBytes'), node => node.number(0, REPORT_BOUNDS.bytes)),
    progress: readOrNull(root.at('progress'), node => node.number(0, 1)),
    etaSeconds: readOrNull(root.at('etaSeconds'), node => node.number(0, REPORT_BOUNDS.etaSeconds)),
    reasons: root.at('reasons').list(REPORT_BOUNDS.reasons).map(readReason),
    ...(omitted.absent ? {} : { reasonsOmitted: omitted.count() }),
    ...(listSeq.absent ? {} : { listSeq: listSeq.count() }),
    ...(mirrorList.absent ? {} : { mirrorList: mirrorList.list(REPORT_BOUNDS.listEntries).map(readListEntry) }),
  }
}

export function readCounts(node: JsonNode): StateCounts {
  const counts = node.expectObject()
  return {
    synced: counts.at('synced').count(),
    resyncing: counts.at('resyncing').count(),
    degraded: counts.at('degraded').count(),
    unknown: counts.at('unknown').count(),
  }
}

function readOrNull<T>(node: JsonNode, read: (node: JsonNode) => T): T | null {
  return node.absent ? null : read(node)
}

/** A reason of a report or of an answer; its code may be unknown here. */
export function readReason(node: JsonNode): ReportReason {
  node.expectObject()
  return {
    code: node.at('code').text(),
    mirror: node.at('mirror').possiblyEmptyText(),
    clearedBy: node.at('clearedBy').word(['operator', 'time']),
    ...optional('peer', node, field => field.possiblyEmptyText()),
    ...optional('word', node, field => field.possiblyEmptyText()),
    ...optional('field', node, field => field.possiblyEmptyText()),
    ...optional('side', node, field => field.word(['source', 'target'])),
    ...optional('progress', node, field => field.number(0, 1)),
    ...optional('outOfSyncBytes', node, field => field.number(0, REPORT_BOUNDS.bytes)),
    ...optional('missing', node, field => field.count()),
    ...optional('since', node, field => field.possiblyEmptyText()),
    ...optional('waitsFor', node, field => field.possiblyEmptyText()),
    ...optional('candidates', node, field => field.list(REPORT_BOUNDS.replicas).map(readCandidate)),
  }
}

function readCandidate(node: JsonNode): Candidate {
  node.expectObject()
  return {
    peer: node.at('peer').possiblyEmptyText(),
    word: node.at('word').possiblyEmptyText(),
    ...optional('outOfSyncBytes', node, field => field.number(0, REPORT_BOUNDS.bytes)),
    ...optional('since', node, field => field.possiblyEmptyText()),
    ...(isTrue(node.at('wasSource')) ? { wasSource: true } : {}),
  }
}

function optional<Key extends string, T>(key: Key, parent: JsonNode, read: (node: JsonNode) => T): { [K in Key]?: T } {
  const node = parent.at(key)
  const found: { [K in Key]?: T } = {}
  if (!node.absent) found[key] = read(node)
  return found
}

function readListEntry(node: JsonNode): MirrorListEntry {
  node.expectObject()
  const mirrors = node.at('mirrors')
  return {
    state: node.at('state').word(SYNC_STATES),
    count: node.at('count').count(),
    ...(mirrors.absent
      ? {}
      : { mirrors: mirrors.list(REPORT_BOUNDS.listEntries).map(name => name.possiblyEmptyText()) }),
    quorum: node.at('quorum').flag(),
    replicas: node.at('replicas').list(REPORT_BOUNDS.replicas).map(readReplica),
  }
}

function readReplica(node: JsonNode): Replica {
  node.expectObject()
  return {
    peer: node.at('peer').possiblyEmptyText(),
    current: node.at('current').flag(),
    ...(isTrue(node.at('connected')) ? { connected: true } : {}),
    ...(isTrue(node.at('diskless')) ? { diskless: true } : {}),
    ...(node.at('votes').absent || node.at('votes').flag() ? {} : { votes: false }),
  }
}

function isTrue(node: JsonNode): boolean {
  return !node.absent && node.flag()
}

/**
 * Finds two parts of the report that cannot both be true: it was cut, edited by hand, or its writer is wrong. `unknown` allows any
 * counts: a silent source has no mirrors to count.
 */
function findContradiction({ state, mirrors, reasons, mirrorList }: Report): string | null {
  if (state !== 'unknown' && state !== worstState(mirrors)) {
    return `state is ${state}, its counts are ${worstState(mirrors)}`
  }
  if (state === 'synced') {
    const blocking = reasons.find(({ code }) => isReasonCode(code) && isBlocking(code))
    if (blocking !== undefined) return `state is synced, its reasons have ${blocking.code}`
  }
  if (mirrorList !== undefined) {
    const listed: Record<SyncState, number> = { unknown: 0, degraded: 0, resyncing: 0, synced: 0 }
    for (const entry of mirrorList) listed[entry.state] += entry.count
    const differing = SYNC_STATES.find(each => listed[each] !== mirrors[each])
    if (differing !== undefined) {
      return `${mirrors[differing]} mirrors are counted as ${differing}, ${listed[differing]} are listed`
    }
  }
  return null
}

const MAX_EXCERPT_LENGTH = 100

/** Total over any value; does not print nested values. */
function excerpt(value: unknown): string {
  if (typeof value === 'object' && value !== null) return Array.isArray(value) ? 'a list' : 'an object'
  return String(value).slice(0, MAX_EXCERPT_LENGTH)
}

const PROBLEM_SENTENCES = {
  'too-large': 'The report is larger than 64 KiB',
  'too-deep': 'The report is nested too deep',
  'not-json': 'The report is not JSON',
  'unknown-schema': 'The report has an unknown schema',
  'bad-value': 'The report has an invalid value',
  contradiction: 'The report contradicts itself',
} as const

/** Why a text is not a valid report. */
export interface ReportProblem {
  readonly device: null
  /** A key of `PROBLEM_SENTENCES`. */
  readonly code: string
  readonly text: string
}

function problem(code: keyof typeof PROBLEM_SENTENCES, detail: string): { problem: ReportProblem } {
  return { problem: { device: null, code, text: `${PROBLEM_SENTENCES[code]}: ${excerpt(detail)}` } }
}
