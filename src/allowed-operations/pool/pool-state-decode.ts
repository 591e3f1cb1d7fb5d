import { type Complaints, JsonNode } from '../../platform/json/json-node.ts'
import { parseReport } from '../../sync-query/report/report-parse.ts'
import { HOST_OPERATIONS } from './host-operation.ts'
import type {
  HostSnapshot,
  Override,
  PbdSnapshot,
  PoolSnapshot,
  ReceivedReport,
  SrSnapshot,
  TaskSnapshot,
} from './pool-snapshot.ts'

// xapi supports 64 hosts and 200 tasks. Input far above that is a mistake.
const MAX_HOSTS = 1024
const MAX_SRS = 4096
const MAX_PBDS = 65_536
const MAX_TASKS = 10_000
const MAX_REPORTS = 65_536
const MAX_OVERRIDES = 1024
const MAX_CURRENT_OPERATIONS = 1024
const MAX_OTHER_CONFIG_KEYS = 1024
const MAX_KNOWN_PEERS = 1024

/**
 * Reads the pool of a what-if question from JSON: one object with `hosts`, `srs`, `pbds` and, optionally, `tasks`, `reports`,
 * `overrides`, `power_on_plugin` and `rolling_upgrade` (docs/WHAT-IF.md). Moments are ISO 8601 with a zone, or seconds since 1970
 * as a number or in a string, as XenAPI writes `boot_time`. Unknown keys are ignored.
 *
 * @returns `badInput` for an invalid value: a sentence with its path and what was expected. A report that cannot be read is not
 *   invalid input: the gate treats it as an unreadable report of its host
 */
export function decodePoolState(json: unknown): { pool: PoolSnapshot } | { badInput: string } {
  const complaints: Complaints = { first: null }
  const root = new JsonNode(json, '', complaints).expectObject()
  const hosts = unique(root.at('hosts'), MAX_HOSTS, decodeHost)
  const srs = unique(root.at('srs'), MAX_SRS, decodeSr)
  const pool = {
    hosts,
    srs,
    pbds: unique(root.at('pbds'), MAX_PBDS, decodePbd),
    tasks: optionalList(root.at('tasks'), MAX_TASKS).map(decodeTask),
    reports: decodeReports(root.at('reports'), hosts, srs),
    overrides: optionalList(root.at('overrides'), MAX_OVERRIDES).map(node => decodeOverrideOf(node, hosts)),
    powerOnPlugin: flagOr(root.at('power_on_plugin'), true),
    rollingUpgrade: flagOr(root.at('rolling_upgrade'), false),
  }
  return complaints.first === null ? { pool } : { badInput: complaints.first }
}

function decodeHost(node: JsonNode): HostSnapshot {
  const live = node.at('live')
  const operations = node.at('allowed_operations')
  return {
    ref: node.at('ref').text(),
    ...optionalText('uuid', node.at('uuid')),
    ...optionalText('hostname', node.at('hostname')),
    ...optionalText('nameLabel', node.at('name_label')),
    enabled: flagOr(node.at('enabled'), true),
    live: live.value === null ? null : live.flag(),
    liveSinceMs: momentOrNull(node.at('live_since')),
    bootTimeMs: momentOrNull(node.at('boot_time')),
    ...optionalText('bootId', node.at('boot_id')),
    powerOnMode: node.at('power_on_mode').absent ? '' : node.at('power_on_mode').possiblyEmptyText(),
    currentOperations: optionalList(node.at('current_operations'), MAX_CURRENT_OPERATIONS).map(decodeCurrentOperation),
    allowedOperations: optionalList(operations, HOST_OPERATIONS.length).map(each => each.word(HOST_OPERATIONS)),
    leaving: flagOr(node.at('leaving'), false),
  }
}

function decodeCurrentOperation(node: JsonNode): HostSnapshot['currentOperations'][number] {
  const [task, operation, ...rest] = node.list(2)
  if (task !== undefined && operation !== undefined && rest.length === 0) {
    return { task: task.text(), operation: operation.word(HOST_OPERATIONS) }
  }
  node.complain('a pair of a task and an operation')
  return { task: '', operation: 'enable' }
}

function decodeSr(node: JsonNode): SrSnapshot {
  const otherConfig = node.at('other_config')
  return {
    ref: node.at('ref').text(),
    ...optionalText('uuid', node.at('uuid')),
    ...optionalText('nameLabel', node.at('name_label')),
    clustered: node.at('clustered').flag(),
    ...optionalText('type', node.at('type')),
    ...(otherConfig.absent ? {} : { otherConfig: otherConfig.textMap(MAX_OTHER_CONFIG_KEYS) }),
  }
}

function decodePbd(node: JsonNode, index: number): PbdSnapshot {
  const ref = node.at('ref')
  const knownPeers = node.at('known_peers')
  return {
    ref: ref.absent ? `OpaqueRef:pbd-${String(index).padStart(4, '0')}` : ref.text(),
    host: node.at('host').text(),
    sr: node.at('sr').text(),
    currentlyAttached: node.at('currently_attached').flag(),
    ...(knownPeers.absent ? {} : { knownPeers: knownPeers.list(MAX_KNOWN_PEERS).map(peer => peer.text()) }),
  }
}

function decodeTask(node: JsonNode): TaskSnapshot {
  return {
    nameLabel: node.at('name_label').possiblyEmptyText(),
    nameDescription: node.at('name_description').possiblyEmptyText(),
  }
}

/** An override names its host by ref or UUID. */
function decodeOverrideOf(node: JsonNode, hosts: readonly HostSnapshot[]): Override {
  const name = node.at('host').text()
  return {
    host: hosts.find(({ ref, uuid }) => name === ref || name === uuid)?.ref ?? name,
    reason: node.at('reason').text(),
    expiresMs: decodeMoment(node.at('expires')),
    ...optionalText('by', node.at('by')),
  }
}

/**
 * The reports of a what-if question: each as in DESIGN section 5, with `confirmed_at` if it was confirmed later than it was made.
 * A report names its host and SR by UUID or ref. A report of a host or SR that the pool does not have is dropped. One that
 * cannot be read stays, if its host and SR can be read.
 */
function decodeReports(
  node: JsonNode,
  hosts: readonly HostSnapshot[],
  srs: readonly SrSnapshot[],
): readonly ReceivedReport[] {
  const hostRefs = refsByName(hosts)
  const srRefs = refsByName(srs)
  return optionalList(node, MAX_REPORTS).flatMap(item => {
    const parsed = parseReport(item.value)
    const host = hostRefs.get(item.at('host').value)
    const sr = srRefs.get(item.at('sr').value)
    const confirmedAtMs = momentOrNull(item.at('confirmed_at'))
    if (host === undefined || sr === undefined) return []
    if ('problem' in parsed) return { host, sr, confirmedAtMs: confirmedAtMs ?? 0, problem: parsed.problem }
    const { report } = parsed
    return { host, sr, confirmedAtMs: confirmedAtMs ?? Date.parse(report.at), report }
  })
}

/** Refs by UUID and by ref. A ref wins over an equal UUID of another record. */
function refsByName(
  records: readonly { readonly ref: string; readonly uuid?: string }[],
): ReadonlyMap<unknown, string> {
  const refs = new Map<unknown, string>()
  for (const { ref, uuid } of records) if (uuid !== undefined) refs.set(uuid, ref)
  for (const { ref } of records) refs.set(ref, ref)
  return refs
}

/** Records with distinct refs. With a duplicate ref one record would hide the other. */
function unique<Item extends { readonly ref: string }>(
  node: JsonNode,
  maxItems: number,
  decode: (node: JsonNode, index: number) => Item,
): readonly Item[] {
  const seen = new Set<string>()
  return node.list(maxItems).map((each, index) => {
    const item = decode(each.expectObject(), index)
    if (seen.has(item.ref)) each.at('ref').complain('a ref that no other has')
    seen.add(item.ref)
    return item
  })
}

function optionalList(node: JsonNode, maxItems: number): readonly JsonNode[] {
  return node.absent ? [] : node.list(maxItems)
}

function flagOr(node: JsonNode, otherwise: boolean): boolean {
  return node.absent ? otherwise : node.flag()
}

function momentOrNull(node: JsonNode): number | null {
  return node.absent ? null : decodeMoment(node)
}

const SECONDS_TEXT = /^\d{1,12}(\.\d*)?$/
const MAX_SECONDS = 1e12

/** Unix time in milliseconds, from ISO 8601 with a zone or from seconds since 1970, as a number or a string (`"1700000000."`). */
function decodeMoment(node: JsonNode): number {
  const { value } = node
  const seconds = typeof value === 'string' && SECONDS_TEXT.test(value) ? Number(value) : value
  if (typeof seconds === 'number' && seconds >= 0 && seconds < MAX_SECONDS) return seconds * 1000
  return node.isoMoment()
}

function optionalText<Key extends string>(key: Key, node: JsonNode): { [K in Key]?: string } {
  const found: { [K in Key]?: string } = {}
  if (!node.absent) found[key] = node.text()
  return found
}
