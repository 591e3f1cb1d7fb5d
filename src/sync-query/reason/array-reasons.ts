import { shellWord } from '../../platform/text/shell-word.ts'
import type { ReasonKind } from './reason-kind.ts'
import { DISK_KERNEL_LOG, devicePath, onThisHost } from './remedy-context.ts'
import { amount, inBrackets } from './sentence-parts.ts'

const OVERWRITTEN = 'The data of an added disk is overwritten.'

/** md arrays and their members. Commands are of mdadm 4.3. */
export const ARRAY_REASONS = {
  'array-degraded': {
    title: 'Array lacks members',
    implies: 'degraded',
    clearedBy: 'operator',
    endsWithCopy: true,
    sentence: r =>
      r.word === 'broken'
        ? `${r.mirror} is broken: too many of its members have failed, and it refuses writes`
        : `${r.mirror} lacks ${r.missing ?? 'some'} of its members and no recovery is running`,
    remedy: c => ({
      ...onThisHost('Add the missing member again, or another disk in its place; then the recovery begins.', [
        `mdadm --detail ${c.device}`,
        `mdadm --manage ${c.device} --re-add MEMBER`,
      ]),
      warning: OVERWRITTEN,
    }),
  },
  'array-inactive': {
    title: 'Array is not running',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r => `${r.mirror} is assembled but not running${inBrackets(r)}`,
    remedy: c => ({
      ...onThisHost(
        'Find the missing members and assemble the array. Only if they are gone for good: run it without them.',
        [`mdadm --detail ${c.device}`, 'mdadm --assemble --scan', `mdadm --run ${c.device}`],
      ),
      warning: 'An array that runs without a member loses the data that only that member has.',
    }),
  },
  'member-failed': {
    title: 'Member has failed',
    implies: 'degraded',
    clearedBy: 'operator',
    endsWithCopy: true,
    sentence: r => `${r.peer ?? 'a member'} of ${r.mirror} has failed`,
    remedy: c => {
      const member = c.reason.peer === undefined ? 'MEMBER' : shellWord(devicePath(c.reason.peer))
      return {
        ...onThisHost('Remove the failed member, and add a good disk.', [
          `mdadm --manage ${c.device} --remove ${member}`,
          `mdadm --manage ${c.device} --add NEW_MEMBER`,
        ]),
        warning: OVERWRITTEN,
      }
    },
  },
  'member-bad-blocks': {
    title: 'Member has bad blocks',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r =>
      `${r.peer ?? 'a member'} of ${r.mirror} has bad blocks${inBrackets(r)}, which have one copy less than the rest`,
    remedy: c => {
      const member = c.reason.peer ?? 'MEMBER'
      const files = `${c.syncAction.replace(/sync_action$/, '')}${shellWord(`dev-${member}`)}`
      return {
        ...onThisHost(
          'The member lacks the data of these sectors. Replace it by a good disk; the array stays redundant meanwhile. If the disk is sound, only its link failed, and its state does not show write_error, a repair writes the sectors again.',
          [
            `cat ${files}/state ${files}/bad_blocks`,
            `mdadm --manage ${c.device} --add NEW_MEMBER`,
            `mdadm --manage ${c.device} --replace ${member === 'MEMBER' ? member : shellWord(devicePath(member))}`,
            `echo repair > ${c.syncAction}`,
          ],
        ),
        warning: `${OVERWRITTEN} Before a repair look at mismatch_cnt: md does not know which copy is right.`,
      }
    },
  },
  'member-blocked': {
    title: 'Writes wait for a failed member',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r =>
      `writes to ${r.mirror} wait until the failure of ${r.peer ?? 'a member'} is recorded in its metadata`,
    remedy: c =>
      onThisHost('This usually takes a moment. If it stays, find the cause; an array in a container needs mdmon.', [
        DISK_KERNEL_LOG,
        'ps -e | grep mdmon',
        `mdadm --detail ${c.device}`,
      ]),
  },
  'recovery-frozen': {
    title: 'Recovery is frozen',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r => `the recovery of ${r.mirror} is frozen`,
    remedy: c => onThisHost('Somebody has frozen the recovery. Resume it.', [`echo idle > ${c.syncAction}`]),
  },
  'not-redundant': {
    title: 'Array keeps no second copy',
    implies: 'degraded',
    clearedBy: 'operator',
    sentence: r => `${r.mirror} keeps no second copy${inBrackets(r)}`,
    remedy: () =>
      onThisHost(
        'An array without a second copy cannot be a mirror of an SR. Remove it from the configuration (srs[].md).',
        [],
      ),
  },
  'not-comparable': {
    title: 'Array is configured without a comparable UUID',
    implies: 'unknown',
    clearedBy: 'operator',
    sentence: r =>
      `${r.mirror} is configured without a UUID that the kernel shows, so it is not known whether it is up`,
    remedy: () =>
      onThisHost(
        'Give its ARRAY line in mdadm.conf the UUID of the array. The kernel shows no UUID of an array in a container (IMSM, DDF): name such arrays by kernel name in srs[].md, not by a pattern.',
        ['mdadm --detail --scan', 'cat /proc/mdstat'],
      ),
  },
  'mismatches-found': {
    title: 'A check found mismatches',
    implies: null,
    clearedBy: 'operator',
    sentence: r => `a check of ${r.mirror} found mismatches${amount(r)}`,
    remedy: c => ({
      ...onThisHost('Look for a failing disk first. Then make the copies equal.', [`echo repair > ${c.syncAction}`]),
      warning: 'md does not know which copy is right: a mirror takes the one of its first member.',
    }),
  },
  'member-suspect': {
    title: 'Member has write errors or is to be replaced',
    implies: null,
    clearedBy: 'operator',
    sentence: r => `the kernel marks ${r.peer ?? 'a member'} of ${r.mirror}${inBrackets(r)}`,
    remedy: c =>
      onThisHost(
        'A write to the member has failed, or it is to be replaced. Check the disk, and add a spare that replaces it.',
        [DISK_KERNEL_LOG, `mdadm --detail ${c.device}`],
      ),
  },
} as const satisfies Record<string, ReasonKind>
