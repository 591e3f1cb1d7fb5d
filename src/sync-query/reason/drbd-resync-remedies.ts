import { shellWord } from '../../platform/text/shell-word.ts'
import { isHeldBackByPeer, type Reason } from './reason.ts'
import { here, type Remedy, type Words } from './remedy-words.ts'

export const KERNEL_LOG = 'dmesg --ctime | grep -i drbd | tail -n 40'

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

/** A resync that waits while none runs here. That a pause is the cause is said only where one was seen. */
export function waitsInVain(words: Words): Remedy {
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
export function resume({ isDrbd, pair, syncAction }: Words): string {
  return isDrbd ? `drbdadm resume-sync ${pair}` : `echo idle > ${syncAction}`
}

/** `waitsFor` is `resource/volume`, or `resource/volume peer NAME`. */
function pausedAt({ reason: { waitsFor = '' } }: Words): string | null {
  const [, resource, number, peer] = /^(.+)\/(\d+)(?: peer (.+))?$/.exec(waitsFor) ?? []
  if (resource === undefined) return null
  return shellWord(peer === undefined || peer === 'peer' ? `${resource}/${number}` : `${resource}:${peer}/${number}`)
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

function resyncRate({ resource }: Words): string {
  return `drbdsetup show --show-defaults ${resource} | grep -E "c-(min|max)-rate|c-fill-target|resync-rate"`
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

/**
 * What is marked is not what differs: a verify tells. A reconnect alone repairs on 8.4, which has no `--reset-bitmap`; 9.2 and
 * 9.3 then only forget the marks.
 */
export function verifyFirst({ pair, pairOfLoser }: Words, text: string): Remedy {
  return {
    text: `${text} Only if the verify finds differences: find out which side is right, by what runs on it, and let the other copy from it. On DRBD 8.4 drbdadm disconnect and connect does that.`,
    warning: 'The blocks that differ are overwritten on the losing side. DRBD does not know which side is right.',
    steps: [
      { on: 'here', commands: [`drbdadm verify ${pair}`] },
      { on: 'losing-side', commands: [`drbdadm invalidate --reset-bitmap=no ${pairOfLoser}`] },
    ],
  }
}
