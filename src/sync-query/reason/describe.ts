import { formatBytes } from '../../platform/text/bytes.ts'
import { isPausedWithoutCause } from '../history/resync-trend.ts'
import { type Candidate, isHeldBackByPeer, type Reason, type ReasonCode } from './reason.ts'

/** `here` is the host that gives the reason. */
const SENTENCES: { readonly [Code in ReasonCode]: (reason: Reason, here: string) => string } = {
  'resync-running': r => `${r.mirror} is copying data ${direction(r)}${amount(r)}`,
  'resync-starting': r => `${r.mirror} is about to resync${withPeer(r)}${said(r)}`,
  'resync-waiting': r => waits(r),
  'resync-paused': r => `the resync of ${r.mirror}${withPeer(r)} was paused by an operator`,
  'resync-stalled': r => `the resync of ${r.mirror}${withPeer(r)} makes no progress${said(r)}${amount(r)}`,
  'resync-outrun': r => outrun(r),
  'resync-pending-write': r => `${r.mirror} is read-only until its first write, and resyncs only after that`,
  'peer-behind': r => behind(r),
  'disk-stuck': (r, here) =>
    `the local disk of ${r.mirror} is stuck in ${r.word ?? 'leaving'}; only a reboot of ${here} clears it`,
  'no-current-replica': (r, here) =>
    `no replica of ${r.mirror} is current (0 of ${r.missing ?? 'all'}), so its virtual disks cannot be used${choice(r, here)}`,
  'disk-not-up-to-date': r => `the local disk of ${r.mirror} is ${r.word ?? 'not up to date'}`,
  'peer-disk-not-up-to-date': r =>
    `the disk of ${r.mirror} on ${r.peer ?? 'its peer'} is ${r.word ?? 'not up to date'}`,
  'resync-never-began': (r, here) =>
    `${here} holds marks of ${r.mirror} for ${r.peer ?? 'its peer'}${bytesOf(r)}, and their resync never began${said(r)}`,
  'peer-not-connected': r => `${r.mirror} is not connected to ${r.peer ?? 'its peer'}${said(r)}`,
  'stand-alone': r => `${r.mirror} has given up its connection to ${r.peer ?? 'its peer'} (StandAlone)${amount(r)}`,
  'split-brain': r => `${r.mirror} and ${r.peer ?? 'its peer'} have diverged (split brain)${amount(r)}`,
  'replication-off': r => `${r.mirror} is connected to ${r.peer ?? 'its peer'} but does not replicate`,
  'rejoined-unrepaired': r =>
    `${r.peer ?? 'a peer'} was owed data of ${r.mirror}${bytesOf(r)}, and came back as up to date although no resync has copied it`,
  'peer-removed': r => `${r.peer ?? 'a peer'} was taken out of the configuration of ${r.mirror} in the kernel`,
  'peer-missing': r =>
    `the configuration of ${r.mirror} names ${r.peer ?? 'a peer'}, and the kernel does not have that peer`,
  'left-over-replica': (r, here) =>
    `${r.mirror} is left over: ${r.peer ?? 'its peer'} is in sync and does not have ${here} as a peer any more`,
  'not-configured': r => `${r.mirror} exists in the kernel but is not configured`,
  'not-up': r => `${r.mirror} is configured but not up`,
  'array-degraded': r =>
    r.word === 'broken'
      ? `${r.mirror} is broken: too many of its members have failed, and it refuses writes`
      : `${r.mirror} lacks ${r.missing ?? 'some'} of its members and no recovery is running`,
  'array-inactive': r => `${r.mirror} is assembled but not running${said(r)}`,
  'member-failed': r => `${r.peer ?? 'a member'} of ${r.mirror} has failed`,
  'member-bad-blocks': r =>
    `${r.peer ?? 'a member'} of ${r.mirror} has bad blocks${said(r)}, which have one copy less than the rest`,
  'member-blocked': r =>
    `writes to ${r.mirror} wait until the failure of ${r.peer ?? 'a member'} is recorded in its metadata`,
  'recovery-frozen': r => `the recovery of ${r.mirror} is frozen`,
  'not-redundant': r => `${r.mirror} keeps no second copy${said(r)}`,
  'unknown-word': r =>
    `${r.mirror}: the kernel says a word for ${r.field ?? 'its state'} that is not known here${said(r)}`,
  'word-missing': r => `${r.mirror}: nothing was said of ${r.field ?? 'a part of its state'}${withPeer(r)}`,
  contradiction: r => `${r.mirror}: what was said of ${r.field ?? 'its state'} contradicts itself${said(r)}`,
  'dump-incomplete': r => `${r.mirror}: the first account of all objects has not ended yet`,
  'events-lost': r => `${r.mirror}: events may have been lost, everything must be read again`,
  'source-silent': r => `${r.mirror === '*' ? 'the storage' : r.mirror} could not be asked${said(r)}`,
  'no-mirrors': (r, here) =>
    `${ofMirror(r)}no mirror on ${here} matches the patterns of the SR${said(r)}${r.waitsFor === undefined ? '' : `; no SR watches ${r.waitsFor}`}`,
  'mirrors-gone': (r, here) =>
    `${ofMirror(r)}the SR had mirrors on ${here}, and now the host has none of them${said(r)}`,
  'peers-unclear': r => `the configuration does not tell which peers ${r.mirror} should have${said(r)}`,
  'not-comparable': r =>
    `${r.mirror} is configured without a UUID that the kernel shows, so nothing tells whether it is up`,
  'memory-unreadable': r =>
    `${r.mirror === '*' ? 'the storage' : r.mirror}: ${r.waitsFor ?? 'the file that remembers what peers were owed'} cannot be read${said(r)}, so a peer that lacks data may look in sync`,
  'marks-left': r =>
    `${r.mirror} still marks blocks${amount(r)} towards ${r.peer ?? 'its peer'} although both disks are up to date; a resync of three replicas leaves such marks, and a verify tells whether the disks differ`,
  drift: r => `${r.mirror} has blocks marked out of sync${withPeer(r)}${amount(r)} although both sides are up to date`,
  'verify-unrepaired': r =>
    `a verify of ${r.mirror}${withPeer(r)} found differences${amount(r)} that no resync has repaired`,
  'rejoined-unwatched': r =>
    `${r.peer ?? 'a peer'} was owed data of ${r.mirror}${bytesOf(r)}, and is up to date now; whether a resync has copied it was not observed`,
  'mismatches-found': r => `a check of ${r.mirror} found mismatches${amount(r)}`,
  'member-suspect': r => `the kernel marks ${r.peer ?? 'a member'} of ${r.mirror}${said(r)}`,
  'single-copy': r =>
    r.field === 'configuration'
      ? `${r.mirror} has a single copy: its configuration names no other replica with data`
      : `${r.mirror} has a single copy: the kernel shows no other replica with data`,
  'quorum-lost': r => `${r.mirror} has no quorum`,
  'pause-left-set': r => `a resync pause is still set on ${r.mirror}${withPeer(r)}`,
  'io-suspended': r => `DRBD suspends all I/O of ${r.mirror}${said(r)}${since(r)}`,
  'io-failures-forced': r => `DRBD answers all I/O of ${r.mirror} with errors (force-io-failures)${since(r)}`,
}

/**
 * One sentence for people: what is the matter, with the names of the objects, and what clears it.
 * @param here name of the host that gives the reason, for readers on other hosts
 */
export function describe(reason: Reason, here = 'this host'): string {
  const clears = reason.clearedBy === 'time' ? 'clears by itself' : 'needs an operator'
  return `${SENTENCES[reason.code](reason, here)} (${clears})`
}

function outrun(r: Reason): string {
  const resync = `the resync of ${r.mirror}${withPeer(r)}`
  return r.clearedBy === 'operator'
    ? `${resync} moves data but has gained nothing for an hour${amount(r)}`
    : `writes outrun ${resync}: more is written than it copies${amount(r)}`
}

function behind(r: Reason): string {
  const duration = r.clearedBy === 'operator' ? ' for half an hour' : ''
  return `the link of ${r.mirror} to ${r.peer ?? 'its peer'} cannot keep up with the writes${duration}${said(r)}`
}

function waits(r: Reason): string {
  if (r.clearedBy === 'operator') return waitsInVain(r)
  return isPausedWithoutCause(r)
    ? `the resync of ${r.mirror}${withPeer(r)} is paused${said(r)}, and the kernel gives no cause`
    : `${r.mirror} waits${withPeer(r)} for its turn to resync${said(r)}`
}

function waitsInVain(r: Reason): string {
  if (isHeldBackByPeer(r)) return `the resync of ${r.mirror} is held back on ${r.peer}, and none runs here`
  const pause = r.waitsFor === undefined ? '' : `; a pause is set on ${r.waitsFor}`
  return `${r.mirror} waits${withPeer(r)} for another resync${said(r)}, but none is running here${pause}`
}

function choice({ candidates = [] }: Reason, here: string): string {
  if (candidates.length === 0) return ''
  return `: ${candidates.map(candidate => replica(candidate, here)).join('; ')}`
}

function replica({ peer, word, outOfSyncBytes, since, wasSource }: Candidate, here: string): string {
  const where = peer === 'self' ? here : peer
  const lasting = since === undefined ? '' : ` since ${since}`
  const owed = outOfSyncBytes === undefined ? '' : `, ${formatBytes(outOfSyncBytes)} out of sync with ${here}`
  return `${where} ${word}${lasting}${owed}${wasSource === true ? ', source of the last resync' : ''}`
}

/** Nothing for a reason of a whole SR. */
function ofMirror({ mirror }: Reason): string {
  return mirror === '*' ? '' : `${mirror}: `
}

function withPeer({ peer }: Reason): string {
  return peer === undefined ? '' : ` with ${peer}`
}

function said({ word }: Reason): string {
  return word === undefined ? '' : ` (${word})`
}

function since({ since: moment }: Reason): string {
  return moment === undefined ? '' : ` since ${moment}`
}

function direction({ side, peer }: Reason): string {
  if (peer === undefined) return 'to make a member current'
  return side === 'target' ? `from ${peer}` : `to ${peer}`
}

function amount({ progress, outOfSyncBytes }: Reason): string {
  // Cut and not rounded: 99.97 % is not all; and by no more than what was said, which binary fractions miss by a hair.
  if (progress !== undefined) return `, ${(Math.floor(progress * 1000 + 1e-9) / 10).toFixed(1)} % done`
  return outOfSyncBytes === undefined ? '' : `, ${formatBytes(outOfSyncBytes)} out of sync`
}

function bytesOf({ outOfSyncBytes }: Reason): string {
  return outOfSyncBytes === undefined ? '' : ` (${formatBytes(outOfSyncBytes)})`
}
