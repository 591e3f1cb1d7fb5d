import { shellWord } from '../../platform/text/shell-word.ts'
import { AGENT_UNIT } from '../../sync-query/reason/remedy-context.ts'
import type { GateReasonKind } from './gate-reason-kind.ts'
import { bringHostBack, waitForHost } from './gate-remedy-parts.ts'
import { moment } from './gate-sentence-parts.ts'

/** Hosts that are down or going down, and what the pool has of hosts and SRs. */
export const HOST_GATE_REASONS = {
  'host-not-live': {
    title: 'Host is down',
    clearedBy: 'operator',
    isAway: true,
    implies: 'degraded',
    isPassing: true,
    since: 'last-confirmation',
    sentence: r =>
      r.clearedBy === 'time' ? `${r.host} is down because it has an order to reboot` : `${r.host} is down`,
    remedy: c =>
      c.clearedBy === 'time'
        ? waitForHost(c, 'It has an order to reboot, and is down. Wait for it; power it on if it stays away.')
        : bringHostBack(c),
  },
  'host-going-down': {
    title: 'Host is going down',
    clearedBy: 'time',
    isAway: true,
    implies: 'degraded',
    isPassing: true,
    sentence: r => `${r.host} is about to go down`,
    remedy: c => waitForHost(c, 'It reboots or shuts down. Wait until it is back and in sync.'),
  },
  'host-leaving': {
    title: 'Host has an order to reboot',
    clearedBy: 'time',
    isAway: true,
    implies: 'degraded',
    isPassing: true,
    sentence: r => `${r.host} has an order to reboot and has not come back`,
    remedy: c =>
      waitForHost(c, 'It has an order to reboot and has not come back. Wait for it; power it on if it stays away.'),
  },
  'host-shut-down': {
    title: 'Host has an order to shut down',
    clearedBy: 'operator',
    isAway: true,
    implies: 'degraded',
    sentence: r => `${r.host} has an order to shut down and does not come back by itself; power it on`,
    remedy: ({ host }) => ({
      text: 'It has an order to shut down and does not come back by itself. Power it on: by hand if it has no power-on mode.',
      steps: [{ on: 'coordinator', commands: [`xe host-power-on uuid=${shellWord(host.uuid)}`] }],
    }),
  },
  'told-to-go-and-still-here': {
    title: 'Host has an order to go down and still runs',
    clearedBy: 'operator',
    isAway: true,
    implies: 'degraded',
    sentence: r =>
      `${r.host} has an order to go down and still runs a minute later; carry the order out there, or clear it`,
    remedy: ({ host }) => ({
      text: 'It has an order to reboot or shut down and still runs. The log of its agent shows why. Then reboot it by hand, or clear the order if it is to stay up.',
      warning:
        'Clear the order only if nothing on that host can still carry it out: from then on the other hosts may reboot.',
      steps: [
        { on: 'host', commands: [`journalctl -u ${AGENT_UNIT} -n 50 --no-pager`] },
        { on: 'anywhere', commands: [`resync-monitor clear-order ${shellWord(host.name)} --reason TEXT`] },
      ],
    }),
  },
  'sr-missing': {
    title: 'SR has no record',
    clearedBy: 'operator',
    sentence: r => `${r.host} has a PBD for ${r.sr}, which has no record; remove the PBD or restore the SR`,
    remedy: ({ host, sr }) => ({
      text: 'Its PBD points at an SR that has no record. Find the PBD; remove it, or restore the SR.',
      warning: 'Removing a PBD disconnects its host from that storage.',
      steps: [
        { on: 'coordinator', commands: [`xe pbd-list host-uuid=${shellWord(host.uuid)} sr-uuid=${shellWord(sr)}`] },
      ],
    }),
  },
  // Only in answers about several hosts at once.
  'one-at-a-time': {
    title: 'Hosts may only go down one at a time',
    clearedBy: 'operator',
    sentence: r => `${r.host} may only go down alone under the conservative policy`,
    remedy: ({ host }) => ({
      text: 'These hosts may only go down one after the other. Ask for each alone.',
      steps: [{ on: 'anywhere', commands: [`resync-monitor can-reboot ${shellWord(host.name)}`] }],
    }),
  },
  'override-expired': {
    title: 'Override has expired',
    clearedBy: 'operator',
    isWarning: true,
    sentence: r => `the override for ${r.host} (${r.override?.reason}) has expired at ${moment(r.override?.expiresMs)}`,
    remedy: ({ host }) => ({
      text: 'An expired override blocks nothing. Remove it, or set another one to take the risk again.',
      steps: [{ on: 'anywhere', commands: [`resync-monitor override --clear ${shellWord(host.name)}`] }],
    }),
  },
} as const satisfies Record<string, GateReasonKind>
