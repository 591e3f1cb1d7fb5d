import { congested, KERNEL_LOG, outrun, verifyFirst } from './drbd-resync-remedies.ts'
import { here, type Remedies, type Remedy, type Words, waiting } from './remedy-words.ts'

/**
 * What to do about the reasons that only DRBD mirrors have. Every command is one of drbd-utils 9.22, and is understood by the tools
 * of 8.4 too unless said.
 */
export const DRBD_REMEDIES = {
  'resync-outrun': w => outrun(w),
  'peer-behind': w =>
    w.reason.clearedBy === 'time'
      ? waiting(w, 'The link cannot keep up with the writes. A resync follows when it can.')
      : congested(w),
  'disk-stuck': w => stuckDisk(w),
  'no-current-replica': w => lastResort(w),
  'disk-not-up-to-date': w => localDisk(w),
  'peer-disk-not-up-to-date': w =>
    w.reason.clearedBy === 'time'
      ? waiting(w, 'The peer brings its disk up to date by itself.')
      : {
          text: 'Look there why that disk is not up to date: it may have failed, or its connection is down.',
          warning: 'Never force that side to be primary: its data is old.',
          steps: [{ on: 'peer', commands: [`drbdadm status ${w.resource}`, `drbdadm adjust ${w.resource}`] }],
        },
  'resync-never-began': w => ({
    text: 'The peer takes itself for up to date, and waits for nothing. Break this one connection on this host and make it again: the handshake then begins the resync.',
    warning: 'While it is broken, writes reach only the replicas that are connected.',
    steps: [{ on: 'here', commands: [`drbdadm disconnect ${w.connection}`, `drbdadm connect ${w.connection}`] }],
  }),
  'peer-not-connected': w => connectionAway(w),
  'stand-alone': w => here('Connect it again, on the side that is StandAlone.', [`drbdadm connect ${w.connection}`]),
  'split-brain': w => ({
    text: 'Both sides have written on their own. Choose the side whose changes are thrown away, and stop what runs from its disk.',
    warning:
      'Everything that the losing side has written since the two came apart is lost. Copy its volume first if in doubt.',
    steps: [
      {
        on: 'losing-side',
        commands: [
          `drbdadm disconnect ${w.towardsKept}`,
          `drbdadm secondary ${w.resource}`,
          `drbdadm connect --discard-my-data ${w.towardsKept}`,
        ],
      },
      { on: 'keeping-side', commands: [`drbdadm connect ${w.towardsLoser}`] },
    ],
  }),
  'replication-off': w =>
    w.reason.clearedBy === 'time'
      ? waiting(w, 'The handshake has not ended yet.')
      : {
          text: 'Look at the volume on both sides, and bring it to what the configuration says.',
          steps: [{ on: 'either-side', commands: [`drbdadm status ${w.resource}`, `drbdadm adjust ${w.resource}`] }],
        },
  'rejoined-unrepaired': w => ({
    text: 'Compare the disks. If the verify finds differences (`drbdadm status --verbose --statistics` shows them as out-of-sync), let the peer copy them from here. Without differences the reason clears when the verify ends.',
    warning:
      'Until then do not run anything from the disk of the peer: it may lack the newest data. The last command overwrites there what differs.',
    steps: [
      { on: 'here', commands: [`drbdadm verify ${w.pair}`] },
      { on: 'peer', commands: [`drbdadm invalidate --reset-bitmap=no ${w.pairThere}`] },
    ],
  }),
  'peer-removed': w =>
    here('The next full reading takes it as meant. If it was not, bring the resource back to its configuration.', [
      `drbdadm adjust ${w.resource}`,
    ]),
  'peer-missing': w => ({
    ...here(
      'Bring the kernel to its configuration, and connect the peer. Read what drbdadm prints: it may fail, as for a transport whose module is missing.',
      [`drbdadm adjust ${w.resource}`, `drbdadm connect ${w.connection}`, `drbdadm status ${w.resource}`],
    ),
    warning:
      'Never force either side to be primary before they are connected: the data here and there may differ. If the peer is gone for good, take it out of the configuration.',
  }),
  'left-over-replica': w => ({
    text: 'Its peers no longer know this replica. Take it down on this host and remove its configuration, or configure this host on its peers again.',
    warning: 'Before you delete its data, make sure that its peers have what is on it.',
    steps: [{ on: 'here', commands: [`drbdadm status ${w.resource}`, `drbdadm down ${w.resource}`] }],
  }),
  'not-configured': w => here('Configure it again.', [`drbdadm adjust ${w.resource}`]),
  'peers-unclear': w =>
    here(
      'Correct the configuration of the resource, until drbdadm reads it without a complaint and shows each connection.',
      [`drbdadm dump ${w.resource}`, `drbdadm --dry-run adjust ${w.resource}`],
    ),
  'marks-left': w =>
    verifyFirst(
      w,
      'The disks are equal if a resync from a third replica left the marks; the next resync between the two clears them. Compare the disks to be sure.',
    ),
  drift: w => verifyFirst(w, 'The disks may differ. Compare them.'),
  'verify-unrepaired': w => verifyFirst(w, 'A resync has not copied what the verify found. Compare the disks again.'),
  'rejoined-unwatched': w =>
    verifyFirst(w, 'A resync may have run while this agent could not see it. Compare the disks to be sure.'),
  'single-copy': w =>
    here(
      w.reason.field === 'configuration'
        ? 'Its configuration names no other replica with data. If this is not intended, add a peer to it.'
        : 'The kernel shows one replica with data. If there should be more, see what the configuration says, and adjust the resource.',
      [`drbdadm dump ${w.resource}`, `drbdadm status ${w.resource}`],
    ),
  'quorum-lost': w => here('Bring the other replicas back.', [`drbdadm status ${w.resource}`]),
  'pause-left-set': w => here('Lift the pause: the next resync would not start.', [`drbdadm resume-sync ${w.pair}`]),
  'io-suspended': w => suspendedIo(w),
  'io-failures-forced': w =>
    here('An operator has told DRBD to fail all I/O. Stop what uses the device, and bring the resource down and up.', [
      `drbdadm status ${w.resource}`,
      `drbdadm down ${w.resource}`,
      `drbdadm up ${w.resource}`,
    ]),
} as const satisfies Partial<Remedies>

/** `waitsFor` names a peer that has given up: it listens no longer, so it is there that somebody must act. */
function connectionAway({ reason, resource, connection, connectionThere }: Words): Remedy {
  const look = `drbdadm status ${resource}`
  const connectThere = { on: 'peer', commands: [look, `drbdadm connect ${connectionThere}`] } as const
  if (reason.waitsFor !== undefined) {
    return { text: 'The peer has given up the connection (StandAlone). Make it again there.', steps: [connectThere] }
  }
  if (reason.clearedBy === 'operator' && reason.word !== undefined && reason.word !== 'Disconnecting') {
    return {
      text: 'The peer has been away for half an hour. Bring its host back; if it is up, look at the network between the two, and at the connection there.',
      steps: [connectThere],
    }
  }
  if (reason.clearedBy === 'operator') {
    return here('This side is leaving the connection. Make it again.', [`drbdadm connect ${connection}`])
  }
  const text = 'It clears when the peer is back. If the peer is up, look there: where it says StandAlone, connect it.'
  return { text, steps: [connectThere] }
}

function localDisk(words: Words): Remedy {
  const { reason, resource, volume } = words
  if (reason.clearedBy === 'time') return waiting(words, 'It is brought up to date when the peer is connected.')
  if (reason.word === 'Failed' || reason.word === 'Detaching') {
    return here('It is about to leave. If that lasts for more than a minute, only a reboot of this host clears it.', [
      `drbdadm status ${resource}`,
      KERNEL_LOG,
    ])
  }
  if (reason.word === 'Diskless') {
    return {
      ...here('See why the disk has gone, replace it if it is broken, and attach it.', [
        'dmesg --ctime | grep -iE "drbd|error" | tail -n 40',
        `drbdadm attach ${volume}`,
      ]),
      warning: 'This host serves its virtual disks from the peer now: do not take the peer down.',
    }
  }
  return {
    ...here('Nothing brings this disk up to date. Look at the connections, and make those that are missing.', [
      `drbdadm status ${resource}`,
      `drbdadm adjust ${resource}`,
    ]),
    warning: 'Never force this side to be primary: its data is old.',
  }
}

/** Named once for all replicas: whichever host it is given on, the choice is the same. */
function lastResort({ resource }: Words): Remedy {
  return {
    text: 'If any other replica exists that may be newer, bring it back first. DRBD finds no source here, so an operator chooses which host to keep: the one that was primary or source of a resync last, or became out of date last. The last resort makes its data current by force; the others are then overwritten from it. For a volume that never had data any host will do.',
    warning:
      'What was written after that replica became out of date is lost, and an Inconsistent replica holds a mixture of old and new blocks. A volume that never had data loses nothing.',
    steps: [
      { on: 'either-side', commands: [`drbdadm status --verbose --statistics ${resource}`] },
      { on: 'keeping-side', commands: [`drbdadm primary --force ${resource}`, `drbdadm secondary ${resource}`] },
    ],
  }
}

function stuckDisk({ resource, speaker }: Words): Remedy {
  return {
    text: 'Only a reboot of this host clears it: drbdadm attach and drbdadm down hang or fail. See that another host has a current copy, stop what runs here, and reboot. If storage refuses the reboot, give this host an override first.',
    warning:
      'An override lets the host go whatever the gate says: without a current copy elsewhere virtual disks stop.',
    steps: [
      {
        on: 'here',
        commands: [`drbdadm status ${resource}`, `resync-monitor override ${speaker} --reason "stuck disk" --for 1h`],
      },
    ],
  }
}

/** What lifts each suspension. `resume-io` lifts all of them at once, and without data or quorum the I/O then fails. */
const LIFTS: ReadonlyMap<string, string> = new Map([
  ['no-data', 'No current data can be reached: bring a disk back here, or a peer that has one.'],
  ['quorum', 'The majority of the replicas cannot be reached: bring the others back; the I/O goes on by itself then.'],
  ['fencing', 'DRBD waits until its fence-peer handler has ended or the peer is back: see what the handler does.'],
  ['user', 'An operator has suspended the I/O: lift that with drbdadm resume-io.'],
])

function suspendedIo({ reason, resource }: Words): Remedy {
  const words = (reason.word ?? '').split(',')
  const known = [...LIFTS].filter(([word]) => words.includes(word))
  const isUserAlone = words.every(word => word === 'user')
  const texts = known.map(([, text]) => text)
  const text = texts.length > 0 ? texts.join(' ') : 'See by what the I/O is suspended.'
  if (isUserAlone) return { text, steps: [{ on: 'here', commands: [`drbdadm resume-io ${resource}`] }] }
  const isMending = words.includes('no-data') || words.includes('quorum')
  return {
    text,
    steps: [
      {
        on: 'here',
        commands: [`drbdadm status ${resource}`, isMending ? `drbdadm adjust ${resource}` : KERNEL_LOG],
      },
    ],
    warning: 'Do not resume the I/O by hand before: it would fail, or two sides would write on their own.',
  }
}
