import { MINUTE_MS, type ReasonKind, type RemedyContext } from './reason-kind.ts'
import { AGENT_UNIT, onThisHost, waitForSync } from './remedy-context.ts'
import { inBrackets, mirrorPrefix, withPeer } from './sentence-parts.ts'

/** What the kernel shows is not enough to know the state. */
export const UNKNOWN_REASONS = {
  'unknown-word': {
    title: 'Unknown kernel value',
    implies: 'unknown',
    clearedBy: 'operator',
    sentence: r => `${r.mirror}: the kernel shows an unknown value for ${r.field ?? 'its state'}${inBrackets(r)}`,
    remedy: c =>
      onThisHost('This version does not know the value. Please report it with this output.', [statusCommand(c)]),
  },
  'word-missing': {
    title: 'Kernel value is missing',
    implies: 'unknown',
    clearedBy: 'time',
    patienceMs: 5 * MINUTE_MS,
    sentence: r => `${r.mirror}: the kernel does not show ${r.field ?? 'a part of its state'}${withPeer(r)}`,
    remedy: c => waitForSync(c, 'The agent reads it again. If it stays, check the tool that it reads from.'),
  },
  contradiction: {
    title: 'Kernel values contradict each other',
    implies: 'unknown',
    clearedBy: 'time',
    patienceMs: 5 * MINUTE_MS,
    sentence: r => `${r.mirror}: the values of ${r.field ?? 'its state'} contradict each other${inBrackets(r)}`,
    remedy: c => waitForSync(c, 'The next full reading settles it.'),
  },
  'dump-incomplete': {
    title: 'First reading is not complete',
    implies: 'unknown',
    clearedBy: 'time',
    patienceMs: 5 * MINUTE_MS,
    sentence: r => `${r.mirror}: the first reading of all objects is not complete`,
    remedy: c => waitForSync(c, 'The first reading of all objects is still running.'),
  },
  'events-lost': {
    title: 'Events may be lost',
    implies: 'unknown',
    clearedBy: 'time',
    patienceMs: 5 * MINUTE_MS,
    sentence: r => `${r.mirror}: events may have been lost; everything is read again`,
    remedy: c => waitForSync(c, 'Everything is being read again.'),
  },
  'source-silent': {
    title: 'Storage cannot be read',
    implies: 'unknown',
    clearedBy: 'time',
    patienceMs: 5 * MINUTE_MS,
    sentence: r => `${r.mirror === '*' ? 'the storage' : r.mirror} cannot be read${inBrackets(r)}`,
    remedy: () =>
      onThisHost('The agent tries again and again. If it stays, find out why: a tool is missing, hangs or fails.', [
        `systemctl status ${AGENT_UNIT}`,
        `journalctl -u ${AGENT_UNIT} -n 50 --no-pager`,
        "ps -eo pid,stat,wchan:32,args | awk '$2 ~ /^D/'",
      ]),
  },
  'no-mirrors': {
    title: 'No mirror matches the patterns of the SR',
    implies: 'unknown',
    clearedBy: 'operator',
    sentence: (r, here) =>
      `${mirrorPrefix(r)}no mirror on ${here} matches the patterns of the SR${inBrackets(r)}${r.waitsFor === undefined ? '' : `; no SR watches ${r.waitsFor}`}`,
    remedy: () =>
      onThisHost(
        'Correct the patterns of the SR (srs[].drbd, srs[].md). If this host really has no replica of the SR, set allowEmpty: true for it.',
        ['resync-monitor status', 'drbdadm status', 'cat /proc/mdstat'],
      ),
  },
  'mirrors-gone': {
    title: 'All mirrors of the SR are gone',
    implies: 'unknown',
    clearedBy: 'operator',
    sentence: (r, here) =>
      `${mirrorPrefix(r)}the SR had mirrors on ${here}, and now the host has none of them${inBrackets(r)}`,
    remedy: c => ({
      ...onThisHost(
        'Bring the mirrors back: restore their configuration, load the module, bring them up. Only if they are gone from this host for good: remove the file in which this host remembers them (below stateDirectory).',
        ['drbdadm up all', 'mdadm --assemble --scan', `rm ${c.memoryFile}`],
      ),
      warning:
        'Without the file the SR may be in sync at once, and other hosts may be rebooted. Do not remove it while the disks here have the only current data.',
    }),
  },
  'memory-unreadable': {
    title: 'Record of missed data cannot be read',
    implies: 'unknown',
    clearedBy: 'operator',
    sentence: r =>
      `${r.mirror === '*' ? 'the storage' : r.mirror}: ${r.waitsFor ?? 'the file with the data that peers missed'} cannot be read${inBrackets(r)}, so a peer that lacks data may look in sync`,
    remedy: ({ file }) => ({
      text: 'The agent records there which data peers missed. Move the file away; the agent then starts a new one. If peers were away or a verify had found differences, verify those resources.',
      warning: 'Differences that only this file recorded are not reported any more.',
      steps: [{ on: 'here', commands: [`mv ${file} ${file}.unreadable`, `systemctl restart ${AGENT_UNIT}`] }],
    }),
  },
} as const satisfies Record<string, ReasonKind>

function statusCommand({ isDrbd, resource, device }: RemedyContext): string {
  return isDrbd ? `drbdsetup status --verbose --statistics ${resource}` : `mdadm --detail ${device}`
}
