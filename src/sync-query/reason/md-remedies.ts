import { shellWord } from '../../platform/text/shell-word.ts'
import { devicePath, here, type Remedies, type Remedy } from './remedy-words.ts'

const KERNEL_LOG = 'dmesg --ctime | grep -iE "md|ata|nvme|blk" | tail -n 40'

/** What to do about the reasons that only md arrays have. Every command is one of mdadm 4.3. */
export const MD_REMEDIES = {
  'resync-pending-write': w =>
    here('Make the array writable; its resync begins then.', [`mdadm --readwrite ${w.device}`]),
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
    const files = `${w.syncAction.replace(/sync_action$/, '')}${shellWord(`dev-${member}`)}`
    return {
      ...here(
        'The member does not hold these sectors. Replace it by a good disk; the array stays redundant meanwhile. If the disk is sound, only its link was not, and its state does not show write_error, a repair writes the sectors again.',
        [
          `cat ${files}/state ${files}/bad_blocks`,
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
      KERNEL_LOG,
      'ps -e | grep mdmon',
      `mdadm --detail ${w.device}`,
    ]),
  'recovery-frozen': w => here('Somebody has frozen it. Let it go on.', [`echo idle > ${w.syncAction}`]),
  'not-redundant': () =>
    here(
      'It keeps no second copy, so it cannot be a mirror of an SR. Take it out of the configuration (srs[].md).',
      [],
    ),
  'not-comparable': () =>
    here(
      'Give its ARRAY line in mdadm.conf the UUID of the array. The kernel shows no UUID of an array in a container (IMSM, DDF): choose such arrays by kernel name in srs[].md, and not by a pattern.',
      ['mdadm --detail --scan', 'cat /proc/mdstat'],
    ),
  'mismatches-found': w => ({
    ...here('Look for a failing disk first. Then make the copies equal.', [`echo repair > ${w.syncAction}`]),
    warning: 'md does not know which copy is right: a mirror takes the one of its first member.',
  }),
  'member-suspect': w =>
    here('A write to it has failed, or it is to be replaced. Look at the disk, and add a spare to have it replaced.', [
      KERNEL_LOG,
      `mdadm --detail ${w.device}`,
    ]),
} as const satisfies Partial<Remedies>

/** An array whose resync does not move. */
export function stalledArray(): Remedy {
  return here('Look for errors and for a speed limit.', [
    'cat /proc/mdstat',
    KERNEL_LOG,
    'cat /proc/sys/dev/raid/speed_limit_max',
  ])
}
