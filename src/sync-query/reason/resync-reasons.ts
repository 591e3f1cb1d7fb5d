import { shellWord } from '../../platform/text/shell-word.ts'
import { MINUTE_MS, type ReasonDetails, type ReasonKind, type Remedy, type RemedyContext } from './reason-kind.ts'
import { DISK_KERNEL_LOG, DRBD_KERNEL_LOG, onThisHost, waitForSync } from './remedy-context.ts'
import { waitsForPeer, waitsWithoutCause } from './resync-waiting.ts'
import { amount, bytesInBrackets, inBrackets, withPeer } from './sentence-parts.ts'

/** Data moves, is about to move, or is kept from moving. DRBD commands are of drbd-utils 9.22, and of 8.4 unless noted. */
export const RESYNC_REASONS = {
  'resync-running': {
    title: 'Resync is running',
    implies: 'resyncing',
    clearedBy: 'time',
    copies: true,
    sentence: r => `${r.mirror} is copying data ${direction(r)}${amount(r)}`,
    remedy: c => waitForSync(c, 'Data is being copied. Wait, and keep the source up: it has the current data.'),
  },
  'resync-starting': {
    title: 'Resync is starting',
    implies: 'resyncing',
    clearedBy: 'time',
    copies: true,
    sentence: r => `${r.mirror} is about to resync${withPeer(r)}${inBrackets(r)}`,
    remedy: c => waitForSync(c, 'This takes seconds. After a minute it is reported as stalled.'),
  },
  'resync-waiting': {
    title: 'Resync is waiting',
    implies: 'resyncing',
    clearedBy: 'time',
    correctsPeer: true,
    sentence: r => waitingSentence(r),
    remedy: c =>
      c.reason.clearedBy === 'operator' ? waitingInVain(c) : waitForSync(c, 'It starts when another resync ends.'),
  },
  'resync-paused': {
    title: 'Resync is paused',
    implies: 'resyncing',
    clearedBy: 'operator',
    isPause: true,
    correctsPeer: true,
    sentence: r => `the resync of ${r.mirror}${withPeer(r)} was paused by an operator`,
    remedy: c => onThisHost('Resume the resync.', [resumeCommand(c)]),
  },
  'resync-stalled': {
    title: 'Resync makes no progress',
    implies: 'resyncing',
    clearedBy: 'operator',
    gauge: 'stalled',
    sentence: r => `the resync of ${r.mirror}${withPeer(r)} makes no progress${inBrackets(r)}${amount(r)}`,
    remedy: c =>
      c.isDrbd
        ? stalledVolume(c)
        : onThisHost('Look for errors and for a speed limit.', [
            'cat /proc/mdstat',
            DISK_KERNEL_LOG,
            'cat /proc/sys/dev/raid/speed_limit_max',
          ]),
  },
  'resync-outrun': {
    title: 'Writes outrun the resync',
    implies: 'resyncing',
    clearedBy: 'time',
    copies: true,
    sentence: r => outrunSentence(r),
    remedy: c => outrun(c),
  },
  'resync-pending-write': {
    title: 'Resync waits for the first write',
    implies: 'resyncing',
    clearedBy: 'operator',
    sentence: r => `${r.mirror} is read-only until its first write, and resyncs only after that`,
    remedy: c => onThisHost('Make the array writable; then its resync begins.', [`mdadm --readwrite ${c.device}`]),
  },
  'peer-behind': {
    title: 'The link cannot keep up with the writes',
    implies: 'resyncing',
    clearedBy: 'time',
    copies: true,
    sentence: r => {
      const duration = r.clearedBy === 'operator' ? ' for half an hour' : ''
      return `the link of ${r.mirror} to ${r.peer ?? 'its peer'} cannot keep up with the writes${duration}${inBrackets(r)}`
    },
    remedy: c =>
      c.reason.clearedBy === 'time'
        ? waitForSync(c, 'The link cannot keep up with the writes. A resync follows when it can.')
        : congested(c),
  },
  'resync-never-began': {
    title: 'Resync never began',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: (r, here) =>
      `${here} has blocks of ${r.mirror} marked for ${r.peer ?? 'its peer'}${bytesInBrackets(r)}, and their resync never began${inBrackets(r)}`,
    remedy: c => ({
      text: 'The peer regards itself as up to date and waits for nothing. Break this connection on this host and make it again: the handshake then starts the resync.',
      warning: 'While the connection is broken, writes reach only the connected replicas.',
      steps: [{ on: 'here', commands: [`drbdadm disconnect ${c.connection}`, `drbdadm connect ${c.connection}`] }],
    }),
  },
  'replication-off': {
    title: 'Connected without replication',
    implies: 'degraded',
    clearedBy: 'operator',
    patienceMs: MINUTE_MS,
    endsWithCopy: true,
    sentence: r => `${r.mirror} is connected to ${r.peer ?? 'its peer'} but does not replicate`,
    remedy: c =>
      c.reason.clearedBy === 'time'
        ? waitForSync(c, 'The handshake has not ended yet.')
        : {
            text: 'Look at the volume on both sides, and adjust it to the configuration.',
            steps: [{ on: 'either-side', commands: [`drbdadm status ${c.resource}`, `drbdadm adjust ${c.resource}`] }],
          },
  },
  'pause-left-set': {
    title: 'A resync pause is still set',
    implies: null,
    clearedBy: 'operator',
    isPause: true,
    sentence: r => `a resync pause is still set on ${r.mirror}${withPeer(r)}`,
    remedy: c => onThisHost('Remove the pause: the next resync would not start.', [`drbdadm resume-sync ${c.pair}`]),
  },
} as const satisfies Record<string, ReasonKind>

function direction({ side, peer }: ReasonDetails): string {
  if (peer === undefined) return 'to make a member current'
  return side === 'target' ? `from ${peer}` : `to ${peer}`
}

function waitingSentence(r: ReasonDetails): string {
  if (r.clearedBy === 'operator') {
    if (waitsForPeer(r)) return `the resync of ${r.mirror} is held back on ${r.peer}, and none runs here`
    const pause = r.waitsFor === undefined ? '' : `; a pause is set on ${r.waitsFor}`
    return `${r.mirror} waits${withPeer(r)} for another resync${inBrackets(r)}, but none is running here${pause}`
  }
  return waitsWithoutCause(r)
    ? `the resync of ${r.mirror}${withPeer(r)} is paused${inBrackets(r)}, and the kernel gives no cause`
    : `${r.mirror} waits${withPeer(r)} for its turn to resync${inBrackets(r)}`
}

function outrunSentence(r: ReasonDetails): string {
  const resync = `the resync of ${r.mirror}${withPeer(r)}`
  return r.clearedBy === 'operator'
    ? `${resync} moves data but has gained nothing for an hour${amount(r)}`
    : `writes outrun ${resync}: more is written than it copies${amount(r)}`
}

/** The connection is made again on the side that waits for data. */
function stalledVolume(context: RemedyContext): Remedy {
  const { reason } = context
  const at = reason.side === 'source' ? 'peer' : 'here'
  const connection = at === 'peer' ? context.connectionThere : context.connection
  return {
    text: `${stallCause(reason)} To start again, break the connection on the side that waits for data, and make it again.`,
    warning:
      'While the connection is broken, a side that is not up to date cannot read or write: virtual disks that run there stop.',
    steps: [
      { on: 'either-side', commands: [DRBD_KERNEL_LOG] },
      { on: at, commands: [`drbdadm disconnect ${connection}`, `drbdadm connect ${connection}`] },
    ],
  }
}

function stallCause({ word = '' }: ReasonDetails): string {
  if (word.startsWith('PausedSync')) {
    return 'The kernel has paused it towards every peer and gives no cause: a known deadlock after a link was cut.'
  }
  if (word.startsWith('Sync')) {
    return 'Check whether the link to the peer carries data, and read the kernel log on both sides.'
  }
  return 'The handshake with the peer does not end. Read the kernel log on both sides.'
}

/** A resync that waits while none runs here. Names a pause as the cause only if one was observed. */
function waitingInVain(context: RemedyContext): Remedy {
  const { reason, resource, pairThere } = context
  const lift = 'Where resync-suspended shows `user`, remove that pause with drbdadm resume-sync.'
  if (waitsForPeer(reason)) {
    const commands = [`drbdadm status --verbose ${resource}`, `drbdadm resume-sync ${pairThere}`]
    return { text: `The other side holds the resync back. Look there. ${lift}`, steps: [{ on: 'peer', commands }] }
  }
  const paused = pausedPair(reason)
  if (paused !== null) {
    return onThisHost('An operator has paused another resource, and this resync waits for it. Remove the pause.', [
      `drbdadm resume-sync ${paused}`,
    ])
  }
  const text = `Look for the resync that it waits for, in all resources of both sides. ${lift} If there is none, break the connection and make it again.`
  return { text, steps: [{ on: 'either-side', commands: ['drbdadm status --verbose'] }] }
}

/** Without a peer's name `resume-sync` stops at the first peer that was not paused and leaves the others (9.2.18). */
function resumeCommand({ isDrbd, pair, syncAction }: RemedyContext): string {
  return isDrbd ? `drbdadm resume-sync ${pair}` : `echo idle > ${syncAction}`
}

/** `waitsFor` is `resource/volume`, or `resource/volume peer NAME`. */
function pausedPair({ waitsFor = '' }: ReasonDetails): string | null {
  const [, resource, number, peer] = /^(.+)\/(\d+)(?: peer (.+))?$/.exec(waitsFor) ?? []
  if (resource === undefined) return null
  return shellWord(peer === undefined || peer === 'peer' ? `${resource}/${number}` : `${resource}:${peer}/${number}`)
}

function outrun(context: RemedyContext): Remedy {
  const { reason, resource, wait } = context
  const rate = `drbdsetup show --show-defaults ${resource} | grep -E "c-(min|max)-rate|c-fill-target|resync-rate"`
  if (reason.clearedBy === 'time') {
    return {
      text: 'The resync continues, and gains when the writes become fewer. To help it, allow it a higher rate or write less.',
      steps: [{ on: 'here', commands: [rate, wait] }],
    }
  }
  return {
    text: 'Give the resync more of the link (c-min-rate, c-max-rate, resync-rate), or move virtual disks with many writes to other storage. If the amount out of sync does not change at all, the kernel may be stuck: read its log on both sides.',
    steps: [
      { on: 'either-side', commands: [DRBD_KERNEL_LOG] },
      { on: 'here', commands: [rate, `drbdadm adjust ${resource}`] },
    ],
  }
}

/** Breaking the connection would only add to what the link has to carry. */
function congested({ resource }: RemedyContext): Remedy {
  return {
    text: 'Find out why the link is slower than the writes: its errors, its speed, other traffic. If it cannot be faster, write less, or change the settings for congestion (on-congestion, congestion-fill, congestion-extents).',
    steps: [
      { on: 'either-side', commands: ['ip -s link', `drbdsetup show --show-defaults ${resource}`] },
      { on: 'here', commands: [`drbdadm adjust ${resource}`] },
    ],
  }
}
