import type { ReasonKind, Remedy, RemedyContext } from './reason-kind.ts'
import { amount, bytesInBrackets, withPeer } from './sentence-parts.ts'

/** The disks of a DRBD volume may differ although both are up to date. */
export const DIFFERENCE_REASONS = {
  'rejoined-unrepaired': {
    title: 'Peer came back without the data that it missed',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r =>
      `${r.peer ?? 'a peer'} missed data of ${r.mirror}${bytesInBrackets(r)} and came back as up to date, although no resync has copied it`,
    remedy: c => ({
      text: 'Compare the disks. If the verify finds differences (`drbdadm status --verbose --statistics` shows them as out-of-sync), let the peer copy them from here. Without differences the reason clears when the verify ends.',
      warning:
        'Until then do not run anything from the disk of the peer: it may lack the newest data. The last command overwrites the differences there.',
      steps: [
        { on: 'here', commands: [`drbdadm verify ${c.pair}`] },
        { on: 'peer', commands: [`drbdadm invalidate --reset-bitmap=no ${c.pairThere}`] },
      ],
    }),
  },
  'rejoined-unwatched': {
    title: 'Resync of a returned peer was not observed',
    implies: null,
    clearedBy: 'operator',
    sentence: r =>
      `${r.peer ?? 'a peer'} missed data of ${r.mirror}${bytesInBrackets(r)} and is up to date now; whether a resync has copied it was not observed`,
    remedy: c =>
      verifyFirst(c, 'A resync may have run while this agent could not see it. Compare the disks to be sure.'),
  },
  'marks-left': {
    title: 'Blocks are still marked after a resync',
    implies: null,
    clearedBy: 'time',
    sentence: r =>
      `${r.mirror} still marks blocks${amount(r)} towards ${r.peer ?? 'its peer'} although both disks are up to date; a resync of three replicas leaves such marks, and a verify shows whether the disks differ`,
    remedy: c =>
      verifyFirst(
        c,
        'The disks are equal if a resync from a third replica left the marks; the next resync between the two clears them. Compare the disks to be sure.',
      ),
  },
  drift: {
    title: 'Blocks are marked although both disks are up to date',
    implies: null,
    clearedBy: 'operator',
    sentence: r =>
      `${r.mirror} has blocks marked out of sync${withPeer(r)}${amount(r)} although both sides are up to date`,
    remedy: c => verifyFirst(c, 'The disks may differ. Compare them.'),
  },
  'verify-unrepaired': {
    title: 'A verify found differences',
    implies: null,
    clearedBy: 'operator',
    sentence: r => `a verify of ${r.mirror}${withPeer(r)} found differences${amount(r)} that no resync has repaired`,
    remedy: c => verifyFirst(c, 'No resync has copied what the verify found. Compare the disks again.'),
  },
} as const satisfies Record<string, ReasonKind>

/**
 * Marked blocks need not differ; a verify finds out. A reconnect alone repairs on 8.4, which has no `--reset-bitmap`; 9.2 and 9.3 then
 * only forget the marks.
 */
function verifyFirst({ pair, pairOfLoser }: RemedyContext, text: string): Remedy {
  return {
    text: `${text} Only if the verify finds differences: find out which side is right, by what runs on it, and let the other side copy from it. On DRBD 8.4 drbdadm disconnect and connect does that.`,
    warning: 'The differing blocks are overwritten on the losing side. DRBD does not know which side is right.',
    steps: [
      { on: 'here', commands: [`drbdadm verify ${pair}`] },
      { on: 'losing-side', commands: [`drbdadm invalidate --reset-bitmap=no ${pairOfLoser}`] },
    ],
  }
}
