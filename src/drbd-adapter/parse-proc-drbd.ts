import { REPLICATION_WORDS, wordMeaning } from '../sync-query/drbd.ts'
import type { Problem } from '../sync-query/judgement.ts'
import { count, scaleKib, sumOfKnown } from './drbd-words.ts'
import { problem } from './problem.ts'
import { type DrbdSnapshot, type PeerDraft, unsaidPeer, unsaidVolume, type VolumeDraft } from './snapshot.ts'

/** What drbdsetup calls the peer of DRBD before 9, which /proc/drbd does not name. */
const PEER = 'peer'

/**
 * `cs:` is the connection's word as long as it is not up. Two of them DRBD 9 and drbdsetup call otherwise
 * (drbd_conn_str9 and drbd_repl_str9 in drbdsetup.c of 8.4): WFConnection is Connecting, and WFReportParams is Connected
 * with replication Off.
 */
const CONNECTION_OF_CS: ReadonlyMap<string, string> = new Map([
  ...['StandAlone', 'Disconnecting', 'Unconnected', 'Timeout', 'BrokenPipe', 'NetworkFailure', 'ProtocolError'].map(
    (word): [string, string] => [word, word],
  ),
  ['TearDown', 'TearDown'],
  ['WFConnection', 'Connecting'],
  ['WFReportParams', 'Connected'],
])

/** The letters of the flags: I/O `r`uns or is `s`uspended; the resync waits `a`fter another resync, `p`eer, `u`ser (drbd_seq_show in drbd_proc.c of 8.0 to 8.4). */
const FLAGS = /\s([rs])([-a])([-p])([-u])\S*\s*$/

const UNITS = { K: 1, M: 1024 }

/**
 * Reads /proc/drbd of DRBD 8.0 to 8.4; mirrors are named by their minor (`drbd0`). DRBD 9 lists no devices there, and
 * is told as the problem `ask-elsewhere`. Never throws.
 */
export function parseProcDrbd(text: string): DrbdSnapshot {
  // Kernel 2.6.39 and DRBD 8.3.1 left NUL bytes in it.
  const lines = text.replace(/[\r\0]/g, '').split('\n')
  const rest = lines.pop() ?? ''
  const version = /^version: (\d+)\./m.exec(text)?.[1]
  if (version !== undefined && Number(version) >= 9) {
    const asked = problem(null, 'ask-elsewhere', 'DRBD 9 lists no devices in /proc/drbd', text.trim())
    return { understood: false, volumes: [], problems: [asked] }
  }
  const volumes: VolumeDraft[] = []
  const problems: Problem[] = []
  for (const line of lines) {
    const [, minor, cs, words] = /^\s*(\d+): cs:(\S+)(.*)$/.exec(line) ?? []
    if (minor !== undefined && cs !== undefined && words !== undefined) volumes.push(readDevice(minor, cs, words))
    else if (/^\s*\d+:/.test(line)) {
      problems.push(problem(null, 'bad-line', 'Not a line of a device', line))
      volumes.push(unsaidVolume(`drbd${Number.parseInt(line, 10)}`, '8.4'))
    } else readDetails(volumes.at(-1)?.peers[0], line)
  }
  const [, cutMinor] = /^\s*(\d+):/.exec(rest) ?? []
  if (rest !== '') problems.push(problem(null, 'line-cut', 'The text ends in a line', rest))
  if (cutMinor !== undefined) volumes.push(unsaidVolume(`drbd${cutMinor}`, '8.4'))
  const understood = version !== undefined || volumes.length > 0
  if (!understood) problems.push(problem(null, 'not-this-format', 'Neither version nor device', text.trim()))
  return { understood, volumes, problems }
}

function readDevice(minor: string, cs: string, words: string): VolumeDraft {
  const volume = unsaidVolume(`drbd${minor}`, '8.4')
  if (cs === 'Unconfigured') {
    volume.configured = false
    return volume
  }
  const [, disk, peerDisk] = / ds:([^\s/]+)\/(\S+)/.exec(words) ?? []
  const peer = unsaidPeer(PEER)
  volume.disk = disk ?? null
  peer.peerDisk = peerDisk ?? null
  readConnection(peer, cs)
  const flags = FLAGS.exec(words)
  if (flags !== null) {
    const [, io, after, peerIsp, user] = flags
    // It does not say by what.
    volume.ioSuspended = io === 's' ? ['s'] : []
    peer.resyncSuspended = [
      ...(user === 'u' ? ['user'] : []),
      ...(peerIsp === 'p' ? ['peer'] : []),
      ...(after === 'a' ? ['dependency'] : []),
    ]
  }
  volume.peers.push(peer)
  return volume
}

function readConnection(peer: PeerDraft, cs: string): void {
  const connection = CONNECTION_OF_CS.get(cs)
  const isReplication = wordMeaning(REPLICATION_WORDS, cs) !== null && cs !== 'Off' && cs !== 'Established'
  if (connection !== undefined) {
    peer.connection = connection
    peer.replication = 'Off'
  } else if (isReplication || cs === 'Connected') {
    peer.connection = 'Connected'
    peer.replication = isReplication ? cs : 'Established'
  } else peer.connection = cs
}

/** The counters, and below them the progress of a resync or verify (drbd_syncer_progress in drbd_proc.c). */
function readDetails(peer: PeerDraft | undefined, line: string): void {
  if (peer === undefined) return
  const [, outOfSync] = /\soos:(\d+)/.exec(line) ?? []
  if (outOfSync !== undefined) peer.outOfSyncBytes = scaleKib(count(outOfSync))
  const [, sent, received] = /\sns:(\d+) nr:(\d+)/.exec(line) ?? []
  if (sent !== undefined) peer.movedBytes = sumOfKnown(scaleKib(count(sent)), scaleKib(count(received)))
  const [, left, total, unit] = /(?:sync'ed|verified):\s*[\d.]+%\s*\((\d+)\/(\d+)\)([KM])/.exec(line) ?? []
  const totalKib = count(total)
  const leftKib = count(left)
  if (totalKib !== null && leftKib !== null && totalKib > 0) {
    peer.totalBytes = scaleKib(totalKib * UNITS[unit === 'M' ? 'M' : 'K'])
    peer.progress = Math.max(0, 1 - leftKib / totalKib)
  }
  // On one line with the progress in kernel 2.6.39 (`)Mfinish:`). A rate of nothing gives 0:00:00, which is no estimate.
  const [, hours, minutes, seconds] = /finish: (\d+):(\d\d):(\d\d)/.exec(line) ?? []
  const eta = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  if (eta > 0 && !line.includes('(stalled)')) peer.etaSeconds = eta
}
