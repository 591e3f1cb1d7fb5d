import { formatBytes } from '../../platform/text/bytes.ts'
import {
  type Candidate,
  MINUTE_MS,
  type ReasonDetails,
  type ReasonKind,
  type Remedy,
  type RemedyContext,
} from './reason-kind.ts'
import { DRBD_KERNEL_LOG, onThisHost, waitForSync } from './remedy-context.ts'
import { inBrackets, sinceMoment } from './sentence-parts.ts'

/** The disks of a DRBD volume, and whether it can be used. */
export const DISK_REASONS = {
  'no-current-replica': {
    title: 'No replica is current',
    implies: 'degraded',
    clearedBy: 'operator',
    makesUnusable: true,
    sentence: (r, here) =>
      `no replica of ${r.mirror} is current (0 of ${r.missing ?? 'all'}), so its virtual disks cannot be used${choices(r, here)}`,
    remedy: c => lastResort(c),
  },
  'disk-stuck': {
    title: 'Local disk is stuck',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: (r, here) =>
      `the local disk of ${r.mirror} is stuck in ${r.word ?? 'leaving'}; only a reboot of ${here} clears it`,
    remedy: ({ resource, speaker }) => ({
      text: 'Only a reboot of this host clears it: drbdadm attach and drbdadm down hang or fail. Make sure that another host has a current copy, stop what runs here, and reboot. If storage refuses the reboot, set an override for the host first.',
      warning:
        'An override allows the reboot regardless of storage: without a current copy elsewhere virtual disks stop.',
      steps: [
        {
          on: 'here',
          commands: [`drbdadm status ${resource}`, `resync-monitor override ${speaker} --reason "stuck disk" --for 1h`],
        },
      ],
    }),
  },
  'disk-not-up-to-date': {
    title: 'Local disk is not up to date',
    implies: 'degraded',
    clearedBy: 'operator',
    patienceMs: 30 * MINUTE_MS,
    endsWithCopy: true,
    sentence: r => `the local disk of ${r.mirror} is ${r.word ?? 'not up to date'}`,
    remedy: c => localDisk(c),
  },
  'peer-disk-not-up-to-date': {
    title: 'Disk of the peer is not up to date',
    implies: 'degraded',
    clearedBy: 'operator',
    patienceMs: 30 * MINUTE_MS,
    endsWithCopy: true,
    sentence: r => `the disk of ${r.mirror} on ${r.peer ?? 'its peer'} is ${r.word ?? 'not up to date'}`,
    remedy: c =>
      c.reason.clearedBy === 'time'
        ? waitForSync(c, 'The peer brings its disk up to date by itself.')
        : {
            text: 'Find out there why that disk is not up to date: it may have failed, or its connection is down.',
            warning: 'Never force that side to be primary: its data is old.',
            steps: [{ on: 'peer', commands: [`drbdadm status ${c.resource}`, `drbdadm adjust ${c.resource}`] }],
          },
  },
  'single-copy': {
    title: 'Only one copy',
    implies: null,
    clearedBy: 'operator',
    sentence: r =>
      r.field === 'configuration'
        ? `${r.mirror} has a single copy: its configuration names no other replica with data`
        : `${r.mirror} has a single copy: the kernel shows no other replica with data`,
    remedy: c =>
      onThisHost(
        c.reason.field === 'configuration'
          ? 'Its configuration names no other replica with data. If this is not intended, add a peer to it.'
          : 'The kernel shows one replica with data. If there should be more, compare with the configuration, and adjust the resource.',
        [`drbdadm dump ${c.resource}`, `drbdadm status ${c.resource}`],
      ),
  },
  'quorum-lost': {
    title: 'Quorum is lost',
    implies: null,
    clearedBy: 'operator',
    sentence: r => `${r.mirror} has no quorum`,
    remedy: c => onThisHost('Bring the other replicas back.', [`drbdadm status ${c.resource}`]),
  },
  'io-suspended': {
    title: 'I/O is suspended',
    implies: null,
    clearedBy: 'operator',
    patienceMs: 30 * MINUTE_MS,
    gauge: 'io-stopped',
    isDated: true,
    sentence: r => `DRBD suspends all I/O of ${r.mirror}${inBrackets(r)}${sinceMoment(r)}`,
    remedy: c => suspendedIo(c),
  },
  'io-failures-forced': {
    title: 'I/O is forced to fail',
    implies: null,
    clearedBy: 'operator',
    gauge: 'io-stopped',
    isDated: true,
    sentence: r => `DRBD answers all I/O of ${r.mirror} with errors (force-io-failures)${sinceMoment(r)}`,
    remedy: c =>
      onThisHost(
        'An operator has made DRBD fail all I/O. Stop what uses the device, and bring the resource down and up.',
        [`drbdadm status ${c.resource}`, `drbdadm down ${c.resource}`, `drbdadm up ${c.resource}`],
      ),
  },
} as const satisfies Record<string, ReasonKind>

function choices({ candidates = [] }: ReasonDetails, here: string): string {
  if (candidates.length === 0) return ''
  return `: ${candidates.map(candidate => choice(candidate, here)).join('; ')}`
}

function choice({ peer, word, outOfSyncBytes, since, wasSource }: Candidate, here: string): string {
  const where = peer === 'self' ? here : peer
  const lasting = since === undefined ? '' : ` since ${since}`
  const owed = outOfSyncBytes === undefined ? '' : `, ${formatBytes(outOfSyncBytes)} out of sync with ${here}`
  return `${where} ${word}${lasting}${owed}${wasSource === true ? ', source of the last resync' : ''}`
}

function localDisk(context: RemedyContext): Remedy {
  const { reason, resource, volume } = context
  if (reason.clearedBy === 'time') return waitForSync(context, 'It becomes up to date when the peer is connected.')
  if (reason.word === 'Failed' || reason.word === 'Detaching') {
    return onThisHost(
      'The disk is detaching. If that lasts for more than a minute, only a reboot of this host clears it.',
      [`drbdadm status ${resource}`, DRBD_KERNEL_LOG],
    )
  }
  if (reason.word === 'Diskless') {
    return {
      ...onThisHost('Find out why the disk was detached, replace it if it is broken, and attach it.', [
        'dmesg --ctime | grep -iE "drbd|error" | tail -n 40',
        `drbdadm attach ${volume}`,
      ]),
      warning: 'This host serves its virtual disks from the peer now: do not take the peer down.',
    }
  }
  return {
    ...onThisHost('Nothing brings this disk up to date. Check the connections, and make the missing ones.', [
      `drbdadm status ${resource}`,
      `drbdadm adjust ${resource}`,
    ]),
    warning: 'Never force this side to be primary: its data is old.',
  }
}

/** The commands name no peer, because the choice is the same whichever host gives the reason. */
function lastResort({ resource }: RemedyContext): Remedy {
  return {
    text: 'If any other replica exists that may be newer, bring it back first. DRBD finds no source here, so an operator chooses which host to keep: the one that was primary or source of a resync last, or became out of date last. The last resort makes its data current by force; the others are then overwritten from it. For a volume that never had data any host will do.',
    warning:
      'Data written after that replica became out of date is lost, and an Inconsistent replica has a mixture of old and new blocks. A volume that never had data loses nothing.',
    steps: [
      { on: 'either-side', commands: [`drbdadm status --verbose --statistics ${resource}`] },
      { on: 'keeping-side', commands: [`drbdadm primary --force ${resource}`, `drbdadm secondary ${resource}`] },
    ],
  }
}

/** What ends each suspension. `resume-io` ends all of them at once, and without data or quorum the I/O then fails. */
const SUSPENSIONS: ReadonlyMap<string, string> = new Map([
  ['no-data', 'No current data can be reached: bring a disk back here, or a peer that has one.'],
  ['quorum', 'The majority of the replicas cannot be reached: bring the others back; the I/O then resumes by itself.'],
  ['fencing', 'DRBD waits until its fence-peer handler has ended or the peer is back: check what the handler does.'],
  ['user', 'An operator has suspended the I/O: resume it with drbdadm resume-io.'],
])

function suspendedIo({ reason, resource }: RemedyContext): Remedy {
  const causes = (reason.word ?? '').split(',')
  const texts = [...SUSPENSIONS].filter(([cause]) => causes.includes(cause)).map(([, text]) => text)
  const text = texts.length > 0 ? texts.join(' ') : 'Find out what suspends the I/O.'
  if (causes.every(cause => cause === 'user')) {
    return { text, steps: [{ on: 'here', commands: [`drbdadm resume-io ${resource}`] }] }
  }
  const needsReplicas = causes.includes('no-data') || causes.includes('quorum')
  return {
    text,
    steps: [
      {
        on: 'here',
        commands: [`drbdadm status ${resource}`, needsReplicas ? `drbdadm adjust ${resource}` : DRBD_KERNEL_LOG],
      },
    ],
    warning: 'Do not resume the I/O by hand before: it would fail, or two sides would write independently.',
  }
}
