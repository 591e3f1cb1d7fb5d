import { type Complaints, JsonNode } from '../../platform/json/json-node.ts'
import { HOST_OPERATIONS } from './host-operation.ts'
import { decodeMoment } from './json-moment.ts'
import type { HostSnapshot, Override, PbdSnapshot, PoolSnapshot, SrSnapshot, TaskSnapshot } from './pool-snapshot.ts'
import { decodeReceivedReports } from './received-report-decode.ts'

// xapi's own limits are 64 hosts and 200 tasks; what is far beyond any pool is a mistake.
const MAX_HOSTS = 1024
const MAX_SRS = 4096
const MAX_PBDS = 65_536
const MAX_TASKS = 10_000
const MAX_OVERRIDES = 1024
const MAX_CURRENT_OPERATIONS = 1024
const MAX_OTHER_CONFIG_KEYS = 1024
const MAX_KNOWN_PEERS = 1024

/**
 * Reads a pool from the JSON of a what-if question: one object with `hosts`, `srs`, `pbds` and, as far as wanted,
 * `tasks`, `reports`, `overrides`, `power_on_plugin` and `rolling_upgrade`. Moments are ISO 8601 with a zone, or seconds
 * of the epoch as a number or in a string, as `boot_time` is in XenAPI. Unknown keys are let through.
 *
 * A bad value anywhere is `badInput`: a sentence with its path and what was expected. Only a report that cannot be
 * read is not: it is what a host said, and does not count.
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
    tasks: listOrNone(root.at('tasks'), MAX_TASKS).map(decodeTask),
    reports: decodeReceivedReports(root.at('reports'), hosts, srs),
    overrides: listOrNone(root.at('overrides'), MAX_OVERRIDES).map(node => decodeSupposedOverride(node, hosts)),
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
    currentOperations: listOrNone(node.at('current_operations'), MAX_CURRENT_OPERATIONS).map(decodeCurrentOperation),
    allowedOperations: listOrNone(operations, HOST_OPERATIONS.length).map(each => each.word(HOST_OPERATIONS)),
    clusterHostEnabled: decodeClusterHost(node.at('cluster_host_enabled')),
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

function decodeClusterHost(node: JsonNode): HostSnapshot['clusterHostEnabled'] {
  if (node.absent) return null
  return Array.isArray(node.value) ? node.list(MAX_HOSTS).map(each => each.flag()) : node.flag()
}

function decodeSr(node: JsonNode): SrSnapshot {
  const otherConfig = node.at('other_config')
  return {
    ref: node.at('ref').text(),
    ...optionalText('uuid', node.at('uuid')),
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

function decodeSupposedOverride(node: JsonNode, hosts: readonly HostSnapshot[]): Override {
  const name = node.at('host').text()
  return {
    host: hosts.find(({ ref, uuid }) => name === ref || name === uuid)?.ref ?? name,
    reason: node.at('reason').text(),
    expiresMs: decodeMoment(node.at('expires')),
    ...optionalText('by', node.at('by')),
  }
}

/** Records of which no two have the same ref: of two, one would hide the other. */
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

function listOrNone(node: JsonNode, maxItems: number): readonly JsonNode[] {
  return node.absent ? [] : node.list(maxItems)
}

function flagOr(node: JsonNode, otherwise: boolean): boolean {
  return node.absent ? otherwise : node.flag()
}

function momentOrNull(node: JsonNode): number | null {
  return node.absent ? null : decodeMoment(node)
}

function optionalText<Key extends string>(key: Key, node: JsonNode): { [K in Key]?: string } {
  const found: { [K in Key]?: string } = {}
  if (!node.absent) found[key] = node.text()
  return found
}
