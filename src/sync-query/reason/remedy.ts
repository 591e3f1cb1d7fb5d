import { DRBD_REMEDIES } from './drbd-remedies.ts'
import { resume, stalled, waitsInVain } from './drbd-resync-remedies.ts'
import { MD_REMEDIES, stalledArray } from './md-remedies.ts'
import type { Reason } from './reason.ts'
import { here, type Remedies, type Remedy, type Words, waiting, wordsOf } from './remedy-words.ts'

const UNIT = 'resync-monitor-agent'

/**
 * What to do about a reason that a host gives for a mirror.
 * @param sr UUID of the SR, for the command that waits for it
 * @param speaker name of the host that gives it, by which its peers call their connections to it
 */
export function remedy(reason: Reason, sr: string, speaker: string): Remedy {
  return REMEDIES[reason.code](wordsOf(reason, sr, speaker))
}

/** What reasons of both backends, and of a whole SR, are answered with, and the remedies of each backend. */
const REMEDIES: Remedies = {
  ...DRBD_REMEDIES,
  ...MD_REMEDIES,
  'resync-running': w => waiting(w, 'Data is being copied. Wait, and keep the source up: it holds the good data.'),
  'resync-starting': w =>
    waiting(w, 'It is a matter of seconds. If it lasts for more than a minute, the resync is reported as stalled.'),
  'resync-waiting': w =>
    w.reason.clearedBy === 'operator' ? waitsInVain(w) : waiting(w, 'Its turn comes when another resync is over.'),
  'resync-paused': w => here('Lift the pause.', [resume(w)]),
  'resync-stalled': w => (w.isDrbd ? stalled(w) : stalledArray()),
  'not-up': w =>
    w.isDrbd
      ? here('Bring it up.', [`drbdadm up ${w.resource}`])
      : here('Assemble it.', ['mdadm --assemble --scan', 'cat /proc/mdstat']),
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
  'memory-unreadable': ({ file }) => ({
    text: 'The agent remembers there which peers were owed data. Move the file away; the agent then begins a new one. If peers were away or a verify had found differences, verify those resources.',
    warning: 'Differences that only this file knew of are not reported any more.',
    steps: [{ on: 'here', commands: [`mv ${file} ${file}.unreadable`, `systemctl restart ${UNIT}`] }],
  }),
}

function lookAt({ isDrbd, resource, device }: Words): string {
  return isDrbd ? `drbdsetup status --verbose --statistics ${resource}` : `mdadm --detail ${device}`
}
