import { shellWord } from '../../platform/text/shell-word.ts'
import { AGENT_UNIT } from '../../sync-query/reason/remedy-context.ts'
import type { GateReasonKind, GateRemedy } from './gate-reason-kind.ts'
import { bringHostBack, checkAgent, waitForHost } from './gate-remedy-parts.ts'
import { mirrorNames } from './gate-sentence-parts.ts'

/** Reasons of the placement policy only. */
export const PLACEMENT_GATE_REASONS = {
  'last-replica': {
    title: 'No current replica would remain',
    clearedBy: 'time',
    implies: 'degraded',
    sentence: r => `no current replica would remain by the report of ${r.host}${mirrorNames(r)}`,
    remedy: c =>
      c.clearedBy === 'time'
        ? waitForHost(c, 'Without it a mirror would have no current copy. Wait for the other copies.')
        : bringReplicasBack(
            'Without it a mirror would have no current copy, and nothing brings the other copies up to date.',
          ),
  },
  'quorum-loss': {
    title: 'Quorum would be lost',
    clearedBy: 'time',
    implies: 'degraded',
    sentence: r => `the majority would be lost by the report of ${r.host}${mirrorNames(r)}`,
    remedy: c =>
      c.clearedBy === 'time'
        ? waitForHost(c, 'Without it a mirror would lose its majority. Wait for the other replicas.')
        : bringReplicasBack('Without it a mirror would lose its majority, and nothing brings the other replicas back.'),
  },
  'peer-unknown': {
    title: 'Peer is not a host of the pool',
    clearedBy: 'operator',
    sentence: r =>
      `${r.unknownPeers?.join(', ')} is neither a host of the pool nor named as an outside peer, by the report of ${r.host}${mirrorNames(r)}`,
    remedy: () => ({
      text: 'A replica is on a machine that is not a host of the pool. If it stays up by itself, name it in policy.outsidePeers.',
      steps: [{ on: 'coordinator', commands: ['grep -n outsidePeers /etc/resync-monitor/updater.yaml'] }],
    }),
  },
  'mirror-list-missing': {
    title: 'List of replicas is missing',
    clearedBy: 'time',
    sentence: r => `${r.host} has not reported where its replicas are`,
    remedy: () =>
      checkAgent(
        'It has not reported where its replicas are. The updater polls it every half minute; if that fails, check its agent.',
      ),
  },
  'replicas-unknown': {
    title: 'Replicas of a host are not known',
    clearedBy: 'operator',
    sentence: r =>
      `${r.host} does not report and may share mirrors with the host that would go down, so it is not known whether a current replica would remain`,
    remedy: c =>
      c.clearedBy === 'time'
        ? waitForHost(c, 'It has an order to reboot or shut down. Wait until it is back and reports its replicas.')
        : bringHostBack(c),
  },
  'holder-without-report': {
    title: 'Host has replicas and does not report',
    clearedBy: 'operator',
    sentence: r =>
      `${r.host} has replicas of ${r.sr} and no PBD for it, so it does not report on them; connect it to the SR`,
    remedy: ({ host, sr }) => {
      const both = `host-uuid=${shellWord(host.uuid)} sr-uuid=${shellWord(sr)}`
      return {
        text: 'It has replicas and does not report on them. Connect it to the SR, and start an agent there that watches the SR.',
        steps: [
          {
            on: 'coordinator',
            commands: [`xe pbd-create ${both}`, `xe pbd-plug uuid=$(xe pbd-list ${both} --minimal)`],
          },
          { on: 'host', commands: [`systemctl status ${AGENT_UNIT}`] },
        ],
      }
    },
  },
} as const satisfies Record<string, GateReasonKind>

function bringReplicasBack(text: string): GateRemedy {
  return {
    text: `${text} Find out what keeps them away, on each host that has one.`,
    steps: [{ on: 'host', commands: ['resync-monitor explain', 'drbdadm status'] }],
  }
}
