import { shellWord } from '../../platform/text/shell-word.ts'
import type { GateReasonKind, GateRemedy, GateRemedyContext } from './gate-reason-kind.ts'
import { checkAgent, checkAgentAndClock, restartAgent } from './gate-remedy-parts.ts'
import { mirrorNames, mirrorSentences } from './gate-sentence-parts.ts'

const OLD_AGENT =
  'An agent of an earlier version than the updater must be updated (poll-unverified in the log of the updater).'

const STATE_PHRASES = {
  synced: 'in sync',
  resyncing: 'resynchronising',
  degraded: 'degraded',
  unknown: 'in an unknown state',
} as const

/** Hosts whose report is not valid or not `synced`. */
export const REPORT_GATE_REASONS = {
  'no-report': {
    title: 'No report',
    clearedBy: 'time',
    isPassing: true,
    since: 'live',
    sentence: r => `the pool has no report from ${r.host}; check its agent if this lasts`,
    remedy: () =>
      checkAgent(`It has not reported yet. If that lasts for more than a minute, check its agent. ${OLD_AGENT}`),
  },
  'report-unreadable': {
    title: 'Report is unreadable',
    clearedBy: 'operator',
    sentence: r => `the report of ${r.host} is unreadable (${r.problem})`,
    remedy: () => restartAgent('Its stored report is damaged. Its agent writes a new one when it is restarted.'),
  },
  'report-unknown-schema': {
    title: 'Report has an unknown schema',
    clearedBy: 'operator',
    sentence: r => `${r.host} runs another version of the agent, whose reports this version does not understand`,
    remedy: () => ({
      text: 'It runs another version. Update the older side.',
      steps: [
        { on: 'host', commands: ['rpm -q resync-monitor'] },
        { on: 'coordinator', commands: ['rpm -q resync-monitor'] },
      ],
    }),
  },
  'report-misplaced': {
    title: 'Report is about another host or SR',
    clearedBy: 'operator',
    sentence: r => `the report stored for ${r.host} is about another host or another SR`,
    remedy: () => ({
      text: 'Its configuration names another host or another SR. Correct `host` and `srs`; the agent reloads the file by itself.',
      steps: [{ on: 'host', commands: ['grep -nE "host|uuid" /etc/resync-monitor/config.yaml'] }],
    }),
  },
  'report-other-boot': {
    title: 'Report is of another boot',
    clearedBy: 'time',
    isPassing: true,
    since: 'live',
    sentence: r => `the last report of ${r.host} is of another boot`,
    remedy: () => checkAgent('It has not reported since its boot. If that lasts, check its agent.'),
  },
  'report-before-boot': {
    title: 'Report is older than the boot',
    clearedBy: 'time',
    isPassing: true,
    since: 'live',
    sentence: r => `the last report of ${r.host} is older than its boot`,
    remedy: () => checkAgent('It has not reported since its boot. If that lasts, check its agent.'),
  },
  'report-before-live': {
    title: 'No report since the host is back',
    clearedBy: 'time',
    isPassing: true,
    since: 'live',
    sentence: r => `${r.host} has not reported since it came back; compare the clocks if this lasts`,
    remedy: () =>
      checkAgentAndClock('It has not reported since it came back. If that lasts, check its agent and its clock.'),
  },
  'report-from-future': {
    title: 'Report is from the future',
    clearedBy: 'operator',
    sentence: r => `the report of ${r.host} is from the future; set its clock right`,
    remedy: () => ({
      text: 'Its clock is ahead. Set it right.',
      steps: [{ on: 'host', commands: ['chronyc tracking', 'chronyc makestep'] }],
    }),
  },
  'report-superseded': {
    title: 'Report number was used before',
    clearedBy: 'operator',
    since: 'last-confirmation',
    sentence: r => `${r.host} sends reports with numbers that were used before; restart its agent`,
    remedy: () => restartAgent('Its reports have numbers that were used before. Restart its agent.'),
  },
  'report-overtaken': {
    title: 'Newer report has not arrived',
    clearedBy: 'time',
    sentence: r => `the heartbeat of ${r.host} names a newer report than the last one; the new report has not arrived`,
    remedy: () =>
      checkAgent(
        'A new report is on its way. If that lasts for more than some seconds, the log of its agent shows why.',
      ),
  },
  'lease-expired': {
    title: 'Report is not confirmed in time',
    clearedBy: 'operator',
    since: 'last-confirmation',
    sentence: r => `${r.host} has not confirmed its report in time; check its agent and its clock`,
    remedy: () =>
      checkAgentAndClock(
        `It does not confirm its reports, or its clock is behind. Check its agent, its network and its clock. ${OLD_AGENT}`,
      ),
  },
  'contradicted-by-peer': {
    title: 'A peer contradicts the report',
    clearedBy: 'time',
    implies: 'degraded',
    since: 'peer-report',
    sentence: r => `${r.host} reports in sync, and ${r.peer} reports that it is not${mirrorNames(r)}`,
    remedy: c => ({
      text:
        c.clearedBy === 'time'
          ? 'Its report says in sync, and the report of its peer says not. That settles within seconds; if it lasts, compare both sides.'
          : 'Its report says in sync, and the report of its peer has a reason that needs an operator. Follow the remedy of that reason; compare both sides.',
      steps: [{ on: 'host', commands: [`resync-monitor status ${shellWord(c.sr)}`, 'drbdadm status'] }],
    }),
  },
  'not-synced': {
    title: 'Host is not in sync',
    followsMirrors: true,
    clearedBy: 'time',
    since: 'report',
    sentence: r => `${r.host} is ${STATE_PHRASES[r.state ?? 'unknown']}${mirrorSentences(r)}`,
    remedy: c => {
      if (c.mirrorReasons?.some(({ code }) => code === 'disk-stuck') === true) return stuckDisk(c)
      const sr = shellWord(c.sr)
      return {
        text: 'On that host `resync-monitor explain` shows the cause; or wait until it is in sync.',
        steps: [{ on: 'host', commands: [`resync-monitor explain ${sr}`, `resync-monitor wait --sr ${sr}`] }],
      }
    },
  },
} as const satisfies Record<string, GateReasonKind>

/** DRBD releases such a disk only at a reboot, so a gate that waits for it to be in sync would wait for ever. */
function stuckDisk({ host }: GateRemedyContext): GateRemedy {
  return {
    text: `Only a reboot of ${host.name} clears its stuck disk. Make sure that other hosts have current copies and are connected, then allow the reboot with an override, and reboot it.`,
    warning:
      'An override allows the reboot regardless of storage: without a current copy elsewhere virtual disks stop.',
    steps: [
      { on: 'anywhere', commands: ['resync-monitor status'] },
      {
        on: 'anywhere',
        commands: [`resync-monitor override ${shellWord(host.name)} --reason "stuck disk" --for 1h`],
      },
    ],
  }
}
