import { congested, KERNEL_LOG, outrun, stalled, stuckDisk, suspendedIo } from './drbd-remedies.ts'
import { isHeldBackByPeer, type Reason, type ReasonCode } from './reason.ts'
import { shellWord } from './shell-word.ts'

/** What an operator does about a reason. */
export interface Remedy<Place extends string = RemedyPlace> {
  /** What to do, and whether waiting is enough. */
  readonly text: string
  /** What may be lost by doing it. */
  readonly warning?: string
  /** Commands in the order in which they are run; words in capitals are for the operator to fill in. */
  readonly steps: readonly RemedyStep<Place>[]
}

interface RemedyStep<Place extends string> {
  readonly on: Place
  readonly commands: readonly string[]
}

/** `here` is the host that gives the reason; the sides of a copy are for the operator to choose. */
type RemedyPlace = 'here' | 'peer' | 'either-side' | 'losing-side' | 'keeping-side'

/** The words that commands are made of, quoted for a shell. */
export interface Words {
  readonly reason: Reason
  readonly isDrbd: boolean
  readonly resource: string
  /** `RESOURCE/VOLUME`, for what DRBD does to one local disk. */
  readonly volume: string
  /** The connection to the peer, where it has a name: on DRBD 8.4 each peer is called `peer`, and a resource has one. */
  readonly connection: string
  /** The same connection as the peer names it, by the host that gives the reason. */
  readonly connectionThere: string
  /** The volume towards the peer, `RESOURCE:PEER/VOLUME`, for what DRBD does between two disks. */
  readonly pair: string
  readonly pairThere: string
  /** The same for a side that the operator chooses: its other end is a word to be filled in. */
  readonly pairOfLoser: string
  /** The connection of a losing and of a keeping side: the other end is for the operator to fill in. */
  readonly towardsKept: string
  readonly towardsLoser: string
  readonly device: string
  readonly syncAction: string
  readonly wait: string
  /** The host that gives the reason. */
  readonly speaker: string
  /** The file that the reason is about. */
  readonly file: string
  /** Where the agent remembers that the SR had mirrors here, with the default stateDirectory. */
  readonly memoryFile: string
}

const UNIT = 'resync-monitor-agent'

/**
 * What to do about a reason that a host gives for a mirror.
 * @param sr UUID of the SR, for the command that waits for it
 * @param speaker name of the host that gives it, by which its peers call their connections to it
 */
export function remedy(reason: Reason, sr: string, speaker: string): Remedy {
  return REMEDIES[reason.code](wordsOf(reason, sr, speaker))
}

/** Every command is one of drbd-utils 9.22 or mdadm 4.3; those of DRBD are understood by the tools of 8.4 too unless said. */
const REMEDIES: { readonly [Code in ReasonCode]: (words: Words) => Remedy } = {
  'resync-running': w => waiting(w, 'Data is being copied. Wait, and keep the source up: it holds the good data.'),
  'resync-starting': w =>
    waiting(w, 'It is a matter of seconds. If it lasts for more than a minute it is told as stalled.'),
  'resync-waiting': w =>
    w.reason.clearedBy === 'operator' ? waitsInVain(w) : waiting(w, 'Its turn comes when another resync is over.'),
  'resync-paused': w => here('Lift the pause.', [resume(w)]),
  'resync-stalled': w =>
    w.isDrbd
      ? stalled(w)
      : here('Look for errors and for a speed limit.', [
          'cat /proc/mdstat',
          'dmesg --ctime | grep -iE "md|ata|nvme|blk" | tail -n 40',
          'cat /proc/sys/dev/raid/speed_limit_max',
        ]),
  'resync-outrun': w => outrun(w),
  'resync-pending-write': w =>
    here('Make the array writable; its resync begins then.', [`mdadm --readwrite ${w.device}`]),
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
  'not-up': w =>
    w.isDrbd
      ? here('Bring it up.', [`drbdadm up ${w.resource}`])
      : here('Assemble it.', ['mdadm --assemble --scan', 'cat /proc/mdstat']),
  'array-degraded': w => ({
    ...here('Add the missing member again, or another disk in its place; then its recovery begins.', [
      `mdadm --detail ${w.device}`,
      `mdadm --manage ${w.device} --re-add MEMBER`,
    ]),
    warning: 'What is on a disk that is added is overwritten.',
  }),
  'array-inactive': w => ({
    ...here('Find the missing members and assemble it. Only if they are gone for good: run it without them.', [
      `mdadm --detail ${w.device}`,
      'mdadm --assemble --scan',
      `mdadm --run ${w.device}`,
    ]),
    warning: 'An array that is run without a member goes on without what only that member holds.',
  }),
  'member-failed': w => {
    const member = w.reason.peer === undefined ? 'MEMBER' : shellWord(devicePath(w.reason.peer))
    return {
      ...here('Take the failed member out, and add a good disk.', [
        `mdadm --manage ${w.device} --remove ${member}`,
        `mdadm --manage ${w.device} --add NEW_MEMBER`,
      ]),
      warning: 'What is on a disk that is added is overwritten.',
    }
  },
  'member-bad-blocks': w => {
    const member = w.reason.peer ?? 'MEMBER'
    const list = `${w.syncAction.replace(/sync_action$/, '')}${shellWord(`dev-${member}`)}/bad_blocks`
    return {
      ...here(
        'The member does not hold these sectors. Replace it by a good disk; the array stays redundant meanwhile. If the disk is sound and only its link was not, a repair writes the sectors again.',
        [
          `cat ${list}`,
          `mdadm --manage ${w.device} --add NEW_MEMBER`,
          `mdadm --manage ${w.device} --replace ${member === 'MEMBER' ? member : shellWord(devicePath(member))}`,
          `echo repair > ${w.syncAction}`,
        ],
      ),
      warning:
        'What is on a disk that is added is overwritten. Before a repair look at mismatch_cnt: md does not know which copy is right.',
    }
  },
  'member-blocked': w =>
    here('It lasts a moment as a rule. If it stays, look for the cause; of an array in a container mdmon must run.', [
      'dmesg --ctime | grep -iE "md|ata|nvme|blk" | tail -n 40',
      'ps -e | grep mdmon',
      `mdadm --detail ${w.device}`,
    ]),
  'recovery-frozen': w => here('Somebody has frozen it. Let it go on.', [`echo idle > ${w.syncAction}`]),
  'not-redundant': () =>
    here(
      'It keeps no second copy, so it cannot be a mirror of an SR. Take it out of the configuration (srs[].md).',
      [],
    ),
  'unknown-word': w => here('This version does not know the word. Please report it with this output.', [lookAt(w)]),
  'word-missing': w => waiting(w, 'It is asked for again. If it stays, look at the tool that is asked.'),
  contradiction: w => waiting(w, 'The next full reading settles it.'),
  'dump-incomplete': w => waiting(w, 'The first account of all objects is still being read.'),
  'events-lost': w => waiting(w, 'Everything is being read again.'),
  'source-silent': () =>
    here('It is asked again and again. If it stays silent, see why: a tool is missing, hangs or fails.', [
      `systemctl status ${UNIT}`,
      `journalctl -u ${UNIT} -n 50 --no-pager`,
      "ps -eo pid,stat,wchan:32,args | awk '$2 ~ /^D/'",
    ]),
  'no-mirrors': () =>
    here(
      'Correct the patterns of the SR (srs[].drbd, srs[].md). If this host really has no replica of the SR, set allowEmpty: true for it.',
      ['resync-monitor status', 'drbdadm status', 'cat /proc/mdstat'],
    ),
  'mirrors-gone': w => ({
    ...here(
      'Bring the mirrors back: restore their configuration, load the module, bring them up. Only if they are gone from this host for good: remove the file in which this host remembers them (below stateDirectory).',
      ['drbdadm up all', 'mdadm --assemble --scan', `rm ${w.memoryFile}`],
    ),
    warning:
      'Without the file the SR may be in sync at once, and other hosts may be rebooted. Do not remove it while the disks here hold the only current data.',
  }),
  'peers-unclear': w =>
    here(
      'Correct the configuration of the resource, until drbdadm reads it without a complaint and shows each connection.',
      [`drbdadm dump ${w.resource}`, `drbdadm --dry-run adjust ${w.resource}`],
    ),
  'not-comparable': () =>
    here(
      'Give its ARRAY line in mdadm.conf the UUID of the array. The kernel shows no UUID of an array in a container (IMSM, DDF): choose such arrays by kernel name in srs[].md, and not by a pattern.',
      ['mdadm --detail --scan', 'cat /proc/mdstat'],
    ),
  'memory-unreadable': ({ file }) => ({
    text: 'The agent remembers there which peers were owed data. Move the file away; the agent then begins a new one. If peers were away or a verify had found differences, verify those resources.',
    warning: 'Differences that only this file knew of are not reported any more.',
    steps: [{ on: 'here', commands: [`mv ${file} ${file}.unreadable`, `systemctl restart ${UNIT}`] }],
  }),
  'marks-left': w =>
    verifyFirst(
      w,
      'The disks are equal if a resync from a third replica left the marks; the next resync between the two clears them. Compare the disks to be sure.',
    ),
  drift: w => verifyFirst(w, 'The disks may differ. Compare them.'),
  'verify-unrepaired': w => verifyFirst(w, 'A resync has not copied what the verify found. Compare the disks again.'),
  'rejoined-unwatched': w =>
    verifyFirst(w, 'A resync may have run while this agent could not see it. Compare the disks to be sure.'),
  'mismatches-found': w => ({
    ...here('Look for a failing disk first. Then make the copies equal.', [`echo repair > ${w.syncAction}`]),
    warning: 'md does not know which copy is right: a mirror takes the one of its first member.',
  }),
  'member-suspect': w =>
    here('A write to it has failed, or it is to be replaced. Look at the disk, and add a spare to have it replaced.', [
      'dmesg --ctime | grep -iE "md|ata|nvme|blk" | tail -n 40',
      `mdadm --detail ${w.device}`,
    ]),
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
}

function wordsOf(reason: Reason, sr: string, speaker: string): Words {
  const [, resource = reason.mirror, number = '*'] = /^([^/].*)\/(\d+|\*)$/.exec(reason.mirror) ?? []
  const isNamed = reason.peer !== undefined && reason.peer !== 'peer' && !/^\d+$/.test(reason.peer)
  const volume = number === '*' ? '' : `/${number}`
  const towards = (peer: string | undefined) => (isNamed ? `${resource}:${peer}` : resource)
  return {
    reason,
    isDrbd: /^[^/].*\/(?:\d+|\*)$/.test(reason.mirror),
    resource: shellWord(resource),
    volume: shellWord(`${resource}${volume}`),
    connection: shellWord(towards(reason.peer)),
    connectionThere: shellWord(towards(speaker)),
    pair: shellWord(`${towards(reason.peer)}${volume}`),
    pairThere: shellWord(`${towards(speaker)}${volume}`),
    towardsKept: shellWord(towards('KEPT_HOST')),
    towardsLoser: shellWord(towards('LOSING_HOST')),
    pairOfLoser: shellWord(`${towards('KEPT_HOST')}${volume}`),
    device: shellWord(devicePath(reason.mirror)),
    syncAction: shellWord(`/sys/block/${reason.mirror.replace(/^\/dev\//, '')}/md/sync_action`),
    file: shellWord(reason.waitsFor ?? 'FILE'),
    memoryFile: shellWord(`/var/lib/resync-monitor/had-mirrors/${sr}.json`),
    wait: `resync-monitor wait --sr ${shellWord(sr)}`,
    speaker: shellWord(speaker),
  }
}

function devicePath(name: string): string {
  return name.startsWith('/') ? name : `/dev/${name}`
}

function here(text: string, commands: readonly string[]): Remedy {
  return { text, steps: commands.length === 0 ? [] : [{ on: 'here', commands }] }
}

function waiting({ wait }: Words, text: string): Remedy {
  return here(text, [wait])
}

/** A resync that waits while none runs here. That a pause is the cause is said only where one was seen. */
function waitsInVain(words: Words): Remedy {
  const { reason, resource, pairThere } = words
  const lift = 'Where resync-suspended shows `user`, lift that pause with drbdadm resume-sync.'
  if (isHeldBackByPeer(reason)) {
    const commands = [`drbdadm status --verbose ${resource}`, `drbdadm resume-sync ${pairThere}`]
    return { text: `The other side holds it back. Look there. ${lift}`, steps: [{ on: 'peer', commands }] }
  }
  const paused = pausedAt(words)
  if (paused !== null) {
    return here('An operator has paused another resource, and this resync waits for it. Lift the pause.', [
      `drbdadm resume-sync ${paused}`,
    ])
  }
  const text = `Look for the resync that it waits for, at all resources of both sides. ${lift} If there is none, break the connection and make it again.`
  return { text, steps: [{ on: 'either-side', commands: ['drbdadm status --verbose'] }] }
}

/** Without a peer's name `resume-sync` stops at the first peer that was not paused and leaves the others (9.2.18). */
function resume({ isDrbd, pair, syncAction }: Words): string {
  return isDrbd ? `drbdadm resume-sync ${pair}` : `echo idle > ${syncAction}`
}

/** `waitsFor` is `resource/volume`, or `resource/volume peer NAME`. */
function pausedAt({ reason: { waitsFor = '' } }: Words): string | null {
  const [, resource, number, peer] = /^(.+)\/(\d+)(?: peer (.+))?$/.exec(waitsFor) ?? []
  if (resource === undefined) return null
  return shellWord(peer === undefined || peer === 'peer' ? `${resource}/${number}` : `${resource}:${peer}/${number}`)
}

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

function lookAt({ isDrbd, resource, device }: Words): string {
  return isDrbd ? `drbdsetup status --verbose --statistics ${resource}` : `mdadm --detail ${device}`
}

/**
 * What is marked is not what differs: a verify tells. A reconnect alone repairs on 8.4, which has no `--reset-bitmap`; 9.2 and
 * 9.3 then only forget the marks.
 */
function verifyFirst({ pair, pairOfLoser }: Words, text: string): Remedy {
  return {
    text: `${text} Only if the verify finds differences: find out which side is right, by what runs on it, and let the other copy from it. On DRBD 8.4 drbdadm disconnect and connect does that.`,
    warning: 'The blocks that differ are overwritten on the losing side. DRBD does not know which side is right.',
    steps: [
      { on: 'here', commands: [`drbdadm verify ${pair}`] },
      { on: 'losing-side', commands: [`drbdadm invalidate --reset-bitmap=no ${pairOfLoser}`] },
    ],
  }
}
