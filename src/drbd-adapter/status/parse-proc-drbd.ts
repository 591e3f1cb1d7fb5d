import { REPLICATION_WORDS, wordMeaning } from '../../sync-query/judge/drbd.ts'
import { count, scaleKib, sumOfKnown } from '../drbd-words.ts'
import { ProblemList } from '../problem-list.ts'
import { type DrbdSnapshot, emptyPeer, emptyVolume, type PeerDraft, type VolumeDraft } from './snapshot.ts'
import { doubtOnce, UniqueVolumes } from './unique-volumes.ts'

/** drbdsetup's name for the peer of DRBD before 9, which /proc/drbd does not name. */
const PEER = 'peer'

/**
 * Maps `cs:` to the connection state while the connection is not up. DRBD 9 and drbdsetup have other words for two of them (drbd_conn_str9
 * and drbd_repl_str9 in drbdsetup.c of 8.4): WFConnection is Connecting, and WFReportParams is Connected with replication Off.
 */
const CONNECTION_OF_CS: ReadonlyMap<string, string> = new Map([
  ...['StandAlone', 'Disconnecting', 'Unconnected', 'Timeout', 'BrokenPipe', 'NetworkFailure', 'ProtocolError'].map(
    (word): [string, string] => [word, word],
  ),
  ['TearDown', 'TearDown'],
  ['WFConnection', 'Connecting'],
  ['WFReportParams', 'Connected'],
])

/** The flags: I/O `r`uns or is `s`uspended; the resync waits `a`fter another resync, for the `p`eer or the `u`ser (drbd_seq_show in drbd_proc.c of 8.0 to 8.4). */
const FLAGS = /\s([rs])([-a])([-p])([-u])\S*\s*$/

const UNITS = { K: 1, M: 1024 }

/**
 * Parses /proc/drbd of DRBD 8.0 to 8.4. Mirrors are named by their minor (`drbd0`). DRBD 9 lists only devices in its compatibility mode
 * with 8.4 there, in the same format (drbd_show_legacy_device in drbd_legacy_84.c of 9.3), usually none; the problem `ask-elsewhere`
 * reports that others are missing. Never throws.
 */
export function parseProcDrbd(text: string): DrbdSnapshot {
  // Kernel 2.6.39 and DRBD 8.3.1 leave NUL bytes in it.
  const lines = text.replace(/[\r\0]/g, '').split('\n')
  const rest = lines.pop() ?? ''
  const version = /^version: (\d+)\./m.exec(text)?.[1]
  const isNine = version !== undefined && Number(version) >= 9
  const problems = new ProblemList()
  const uniqueVolumes = new UniqueVolumes(problems)
  let hasOrphan = false
  let open: VolumeDraft | undefined
  for (const [index, line] of lines.entries()) {
    const place = `line ${index + 1}`
    const [, minor, cs, words] = /^\s*(\d+): cs:(\S+)(.*)$/.exec(line) ?? []
    if (minor !== undefined && cs !== undefined && words !== undefined) {
      open = readDevice(minorOf(minor), cs, words)
      uniqueVolumes.add(open, place)
      if (isDevice(words)) {
        problems.add(open.mirror, 'bad-line', place, 'Two devices in one line', line)
        hasOrphan = true
      }
      readDetails(open, words)
    } else if (/^\s*\d+:/.test(line)) {
      problems.add(null, 'bad-line', place, 'Not a line of a device', line)
      open = emptyVolume(`drbd${minorOf(line)}`, '8.4')
      uniqueVolumes.add(open, place)
    } else if (isDevice(line)) {
      // The minor of this device cannot be read. The following lines belong to it, and to no other device.
      readDetails(open, line)
      problems.add(null, 'bad-line', place, 'A device without its minor', line)
      open = undefined
      hasOrphan = true
    } else readDetails(open, line)
  }
  const place = `line ${lines.length + 1}`
  if (rest !== '') problems.add(null, 'line-cut', place, 'The text ends in a line', rest)
  if (/^\s*\d+:/.test(rest)) uniqueVolumes.add(emptyVolume(`drbd${minorOf(rest)}`, '8.4'), place)
  const { volumes } = uniqueVolumes
  if (isNine) {
    const what = volumes.length === 0 ? 'DRBD 9 lists no devices' : 'DRBD 9 lists only devices in 8.4 mode'
    problems.add(null, 'ask-elsewhere', 'line 1', `${what} in /proc/drbd; use drbdsetup status`, text.trim())
  }
  const isThis = (version !== undefined && !isNine) || volumes.length > 0
  if (!isThis && !isNine) problems.add(null, 'not-this-format', 'line 1', 'Neither version nor device', text.trim())
  return { understood: isThis && !hasOrphan, volumes, problems: problems.all() }
}

function isDevice(words: string): boolean {
  return /\bcs:\S/.test(words)
}

/** The number at the beginning of a line, without leading zeros. */
function minorOf(line: string): string {
  return /\d+/.exec(line)?.[0].replace(/^0+(?=\d)/, '') ?? ''
}

function readDevice(minor: string, cs: string, words: string): VolumeDraft {
  const volume = emptyVolume(`drbd${minor}`, '8.4')
  if (cs === 'Unconfigured') {
    volume.configured = false
    return volume
  }
  const [, disk, peerDisk] = / ds:([^\s/]+)\/(\S+)/.exec(words) ?? []
  const peer = emptyPeer(PEER)
  volume.disk = disk ?? null
  peer.peerDisk = peerDisk ?? null
  readConnection(peer, cs)
  const flags = FLAGS.exec(words)
  if (flags !== null) {
    const [, io, after, peerIsp, user] = flags
    // The flag does not name the cause.
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

/** Parses the counters, and below them the progress of a resync or verify (drbd_syncer_progress in drbd_proc.c). */
function readDetails(volume: VolumeDraft | undefined, line: string): void {
  const peer = volume?.peers[0]
  if (volume === undefined || peer === undefined) return
  const [, outOfSync] = /\soos:(\S*)/.exec(line) ?? []
  if (outOfSync !== undefined) {
    peer.outOfSyncBytes = scaleKib(count(outOfSync))
    if (!/^\d+$/.test(outOfSync))
      doubtOnce(volume, { code: 'unknown-word', field: 'oos', word: outOfSync.slice(0, 64) })
  } else if (/\swo:/.test(line)) doubtOnce(volume, { code: 'word-missing', field: 'oos' })
  const [, sent, received] = /\sns:(\d+) nr:(\d+)/.exec(line) ?? []
  if (sent !== undefined) peer.movedBytes = sumOfKnown(scaleKib(count(sent)), scaleKib(count(received)))
  const [, left, total, unit] = /(?:sync'ed|verified):\s*[\d.]+%\s*\((\d+)\/(\d+)\)([KM])/.exec(line) ?? []
  const totalKib = count(total)
  const leftKib = count(left)
  if (totalKib !== null && leftKib !== null && totalKib > 0) {
    peer.totalBytes = scaleKib(totalKib * UNITS[unit === 'M' ? 'M' : 'K'])
    peer.progress = Math.max(0, 1 - leftKib / totalKib)
  }
  // Kernel 2.6.39 prints it on the same line as the progress (`)Mfinish:`). A rate of 0 gives 0:00:00, which is no estimate.
  const [, hours, minutes, seconds] = /finish: (\d+):(\d\d):(\d\d)/.exec(line) ?? []
  const eta = Number(hours) * 3600 + Number(minutes) * 60 + Number(seconds)
  if (eta > 0 && !line.includes('(stalled)')) peer.etaSeconds = eta
}
