import type { Reason } from './reason.ts'
import type { Remedy, Words } from './remedy.ts'

export const KERNEL_LOG = 'dmesg --ctime | grep -i drbd | tail -n 40'

/** What lifts each suspension. `resume-io` lifts all of them at once, and without data or quorum the I/O then fails. */
const LIFTS: ReadonlyMap<string, string> = new Map([
  ['no-data', 'No current data can be reached: bring a disk back here, or a peer that has one.'],
  ['quorum', 'The majority of the replicas cannot be reached: bring the others back; the I/O goes on by itself then.'],
  ['fencing', 'DRBD waits until its fence-peer handler has ended or the peer is back: see what the handler does.'],
  ['user', 'An operator has suspended the I/O: lift that with drbdadm resume-io.'],
])

export function suspendedIo({ reason, resource }: Words): Remedy {
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

function resyncRate({ resource }: Words): string {
  return `drbdsetup show --show-defaults ${resource} | grep -E "c-(min|max)-rate|c-fill-target|resync-rate"`
}

/** What ends it depends on what stands still. The connection is made anew on the side that waits for data. */
export function stalled(words: Words): Remedy {
  const { reason } = words
  const at = reason.side === 'source' ? 'peer' : 'here'
  const connection = at === 'peer' ? words.connectionThere : words.connection
  return {
    text: `${whatStalls(reason)} To begin anew, break the connection on the side that waits for data, and make it again.`,
    warning:
      'While it is broken, a side that is not up to date cannot read or write: virtual disks that run there stop.',
    steps: [
      { on: 'either-side', commands: [KERNEL_LOG] },
      { on: at, commands: [`drbdadm disconnect ${connection}`, `drbdadm connect ${connection}`] },
    ],
  }
}

function whatStalls({ word = '' }: Reason): string {
  if (word.startsWith('PausedSync')) {
    return 'The kernel has paused it towards every peer and gives no cause: a known deadlock after a link was cut.'
  }
  if (word.startsWith('Sync'))
    return 'See whether the link to the peer carries data, and read the kernel log on both sides.'
  return 'The handshake with the peer does not end. Read the kernel log on both sides.'
}

/** More is written than the resync copies. It goes on, and gains when the writes become fewer. */
export function outrun(words: Words): Remedy {
  const { reason, resource, wait } = words
  if (reason.clearedBy === 'time') {
    return {
      text: 'The resync goes on, and gains when the writes become fewer. To help it, allow it a higher rate or write less.',
      steps: [{ on: 'here', commands: [resyncRate(words), wait] }],
    }
  }
  return {
    text: 'Give the resync more of the link (c-min-rate, c-max-rate, resync-rate), or move virtual disks that write much to other storage. If the amount out of sync does not change at all, the kernel may be stuck: read its log on both sides.',
    steps: [
      { on: 'either-side', commands: [KERNEL_LOG] },
      { on: 'here', commands: [resyncRate(words), `drbdadm adjust ${resource}`] },
    ],
  }
}

/** To break the connection would only add to what the link has to carry. */
export function congested({ resource }: Words): Remedy {
  return {
    text: 'See why the link is slower than the writes: its errors, its speed, other traffic. If it is as fast as it can be, write less, or change the settings for congestion (on-congestion, congestion-fill, congestion-extents).',
    steps: [
      { on: 'either-side', commands: ['ip -s link', `drbdsetup show --show-defaults ${resource}`] },
      { on: 'here', commands: [`drbdadm adjust ${resource}`] },
    ],
  }
}

export function stuckDisk({ resource, speaker }: Words): Remedy {
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
