import { MINUTE_MS, type ReasonKind, type Remedy, type RemedyContext } from './reason-kind.ts'
import { onThisHost } from './remedy-context.ts'
import { amount, inBrackets } from './sentence-parts.ts'

/** Peers and connections of a DRBD volume, and what its configuration says of them. */
export const CONNECTION_REASONS = {
  'peer-not-connected': {
    title: 'Peer is not connected',
    implies: 'degraded',
    clearedBy: 'time',
    patienceMs: 30 * MINUTE_MS,
    isDisconnected: true,
    followsAbsentPeer: true,
    sentence: r => `${r.mirror} is not connected to ${r.peer ?? 'its peer'}${inBrackets(r)}`,
    remedy: c => disconnected(c),
  },
  'stand-alone': {
    title: 'Connection was given up',
    implies: 'degraded',
    clearedBy: 'operator',
    isDisconnected: true,
    correctsPeer: true,
    sentence: r => `${r.mirror} has given up its connection to ${r.peer ?? 'its peer'} (StandAlone)${amount(r)}`,
    remedy: c => onThisHost('Connect it again on the side that is StandAlone.', [`drbdadm connect ${c.connection}`]),
  },
  'split-brain': {
    title: 'Split brain',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r => `${r.mirror} and ${r.peer ?? 'its peer'} have diverged (split brain)${amount(r)}`,
    remedy: c => ({
      text: 'Both sides have written independently. Choose the side whose changes are discarded, and stop what runs from its disk.',
      warning:
        'Everything that the losing side has written since the connection was lost is discarded. Copy its volume first if in doubt.',
      steps: [
        {
          on: 'losing-side',
          commands: [
            `drbdadm disconnect ${c.towardsKept}`,
            `drbdadm secondary ${c.resource}`,
            `drbdadm connect --discard-my-data ${c.towardsKept}`,
          ],
        },
        { on: 'keeping-side', commands: [`drbdadm connect ${c.towardsLoser}`] },
      ],
    }),
  },
  'peer-removed': {
    title: 'Peer was removed from the kernel',
    implies: 'degraded',
    clearedBy: 'time',
    sentence: r => `${r.peer ?? 'a peer'} was removed from ${r.mirror} in the kernel`,
    remedy: c =>
      onThisHost(
        'The next full reading accepts the change. If it was not intended, restore the resource from its configuration.',
        [`drbdadm adjust ${c.resource}`],
      ),
  },
  'peer-missing': {
    title: 'Configured peer is missing in the kernel',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r =>
      `the configuration of ${r.mirror} names ${r.peer ?? 'a peer'}, and the kernel does not have that peer`,
    remedy: c => ({
      ...onThisHost(
        'Adjust the kernel to the configuration, and connect the peer. Read what drbdadm prints: it may fail, for example if the module of a transport is missing.',
        [`drbdadm adjust ${c.resource}`, `drbdadm connect ${c.connection}`, `drbdadm status ${c.resource}`],
      ),
      warning:
        'Never force either side to be primary before they are connected: their data may differ. If the peer is gone for good, remove it from the configuration.',
    }),
  },
  // Only the gate finds this one, because it needs the reports of both sides.
  'left-over-replica': {
    title: 'Replica is left over',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: (r, here) =>
      `${r.mirror} is left over: ${r.peer ?? 'its peer'} is in sync and no longer has ${here} as a peer`,
    remedy: c => ({
      text: 'Its peers no longer have this replica. Take it down on this host and remove its configuration, or configure this host on its peers again.',
      warning: 'Before you delete its data, make sure that its peers have the same data.',
      steps: [{ on: 'here', commands: [`drbdadm status ${c.resource}`, `drbdadm down ${c.resource}`] }],
    }),
  },
  'not-configured': {
    title: 'Not configured',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r => `${r.mirror} exists in the kernel but is not configured`,
    remedy: c => onThisHost('Configure it again.', [`drbdadm adjust ${c.resource}`]),
  },
  'not-up': {
    title: 'Configured and not up',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r => `${r.mirror} is configured but not up`,
    remedy: c =>
      c.isDrbd
        ? onThisHost('Bring it up.', [`drbdadm up ${c.resource}`])
        : onThisHost('Assemble it.', ['mdadm --assemble --scan', 'cat /proc/mdstat']),
  },
  'peers-unclear': {
    title: 'Peers are not clear from the configuration',
    implies: 'unknown',
    clearedBy: 'operator',
    sentence: r => `the configuration does not show which peers ${r.mirror} should have${inBrackets(r)}`,
    remedy: c =>
      onThisHost(
        'Correct the configuration of the resource until drbdadm reads it without an error and shows each connection.',
        [`drbdadm dump ${c.resource}`, `drbdadm --dry-run adjust ${c.resource}`],
      ),
  },
} as const satisfies Record<string, ReasonKind>

/** `waitsFor` names a peer that is StandAlone: it no longer listens, so somebody must act there. */
function disconnected({ reason, resource, connection, connectionThere }: RemedyContext): Remedy {
  const connectThere = {
    on: 'peer',
    commands: [`drbdadm status ${resource}`, `drbdadm connect ${connectionThere}`],
  } as const
  if (reason.waitsFor !== undefined) {
    return { text: 'The peer has given up the connection (StandAlone). Make it again there.', steps: [connectThere] }
  }
  if (reason.clearedBy === 'operator' && reason.word !== undefined && reason.word !== 'Disconnecting') {
    return {
      text: 'The peer has been away for half an hour. Bring its host back; if it is up, check the network between the two hosts, and the connection there.',
      steps: [connectThere],
    }
  }
  if (reason.clearedBy === 'operator') {
    return onThisHost('This side is closing the connection. Make it again.', [`drbdadm connect ${connection}`])
  }
  return {
    text: 'It clears when the peer is back. If the peer is up, look there: where it shows StandAlone, connect it.',
    steps: [connectThere],
  }
}
