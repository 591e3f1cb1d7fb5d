import { shellWord } from '../../platform/text/shell-word.ts'
import type { ClearedBy } from '../../sync-query/reason/reason.ts'
import type { Remedy } from '../../sync-query/reason/remedy-words.ts'
import { GATE_REASON_KINDS, type GateReasonCode } from './gate-reason.ts'

/** `host` is the one that the reason is about, which need not be the one that is blocked. */
type GateRemedyPlace = 'host' | 'coordinator' | 'anywhere'

/** What a reason of the gate is about, as people name it. */
interface About {
  readonly host: { readonly uuid: string; readonly name: string }
  /** UUID of the SR. */
  readonly sr: string
  readonly clearedBy: ClearedBy
  /** What the host says of its mirrors, where it is in the reason. */
  readonly mirrorReasons?: readonly { readonly code: string }[]
}

type GateRemedy = Remedy<GateRemedyPlace>

const UNIT = 'resync-monitor-agent'

/** Narrows the code of a reason that came from another host, which may run another version of this program. */
export function isGateReasonCode(code: string): code is GateReasonCode {
  return Object.hasOwn(GATE_REASON_KINDS, code)
}

/** What to do about a reason of the gate. */
export function gateRemedy(code: GateReasonCode, about: About): GateRemedy {
  return REMEDIES[code](about)
}

const REMEDIES: { readonly [Code in GateReasonCode]: (about: About) => GateRemedy } = {
  'not-synced': about => {
    if (about.mirrorReasons?.some(({ code }) => code === 'disk-stuck') === true) return stuckDisk(about)
    return {
      text: 'See there what its mirrors wait for, or wait until they are in sync.',
      steps: [{ on: 'host', commands: [`resync-monitor explain ${shellWord(about.sr)}`, waitForSr(about)] }],
    }
  },
  'host-not-live': about =>
    about.clearedBy === 'time'
      ? waiting(about, 'It has an order to reboot, and is down. Wait for it; power it on if it stays away.')
      : crashed(about),
  'host-going-down': about => waiting(about, 'It reboots or shuts down. Wait until it is back and in sync.'),
  'host-leaving': about =>
    waiting(about, 'It has an order to reboot and has not come back. Wait for it; power it on if it stays away.'),
  'host-shut-down': ({ host }) => ({
    text: 'It has an order to shut down and does not come back by itself. Power it on: by hand where it has no power-on mode.',
    steps: [{ on: 'coordinator', commands: [`xe host-power-on uuid=${shellWord(host.uuid)}`] }],
  }),
  'told-to-go-and-still-here': ({ host }) => ({
    text: 'It has an order to reboot or shut down and still runs. See why in the log of its agent. Then reboot it by hand, or clear the order if it is to stay up.',
    warning:
      'Clear the order only if nothing on that host can still carry it out: from then on the other hosts may go.',
    steps: [
      { on: 'host', commands: [`journalctl -u ${UNIT} -n 50 --no-pager`] },
      { on: 'anywhere', commands: [`resync-monitor clear-order ${shellWord(host.name)} --reason TEXT`] },
    ],
  }),
  'no-report': () =>
    agentOf(
      'It has not reported yet. If that lasts for more than a minute, look at its agent. An agent of an earlier version than the updater must be updated (poll-unverified in the log of the updater).',
    ),
  'report-unreadable': () =>
    restart('What it stored is damaged. Its agent writes a new report when it is started again.'),
  'report-unknown-schema': () => ({
    text: 'It runs another version. Update the older side.',
    steps: [
      { on: 'host', commands: ['rpm -q resync-monitor'] },
      { on: 'coordinator', commands: ['rpm -q resync-monitor'] },
    ],
  }),
  'report-misplaced': () => ({
    text: 'Its configuration names another host or another SR. Correct `host` and `srs`; the agent reads the file by itself.',
    steps: [{ on: 'host', commands: ['grep -nE "host|uuid" /etc/resync-monitor/config.yaml'] }],
  }),
  'report-other-boot': () => agentOf('It has not spoken since its boot. If that lasts, look at its agent.'),
  'report-before-boot': () => agentOf('It has not spoken since its boot. If that lasts, look at its agent.'),
  'report-before-live': () => ({
    text: 'It has not spoken since it came back. If that lasts, look at its agent and at its clock.',
    steps: [{ on: 'host', commands: [`systemctl status ${UNIT}`, 'chronyc tracking'] }],
  }),
  'report-from-future': () => ({
    text: 'Its clock is ahead. Set it right.',
    steps: [{ on: 'host', commands: ['chronyc tracking', 'chronyc makestep'] }],
  }),
  'report-superseded': () => restart('Its reports have numbers that were used before. Start its agent again.'),
  'report-overtaken': () =>
    agentOf(
      'Its new report is on its way. If that lasts for more than some seconds, see in its log why reports do not arrive.',
    ),
  'lease-expired': () => ({
    text: 'It does not confirm its reports, or by a clock that is behind. Look at its agent, its network and its clock. An agent of an earlier version than the updater must be updated (poll-unverified in the log of the updater).',
    steps: [{ on: 'host', commands: [`systemctl status ${UNIT}`, 'chronyc tracking'] }],
  }),
  'contradicted-by-peer': about => ({
    text:
      about.clearedBy === 'time'
        ? 'Its report says in sync, and that of its peer says not. That settles within seconds; if it lasts, compare both sides.'
        : 'Its report says in sync, and that of its peer gives a reason that needs an operator. Do what the remedy of that reason says; compare both sides.',
    steps: [{ on: 'host', commands: [`resync-monitor status ${shellWord(about.sr)}`, 'drbdadm status'] }],
  }),
  'sr-missing': ({ host, sr }) => ({
    text: 'Its PBD points at an SR that has no record. Find the PBD; remove it, or restore the SR.',
    warning: 'A PBD that is removed disconnects its host from that storage.',
    steps: [
      { on: 'coordinator', commands: [`xe pbd-list host-uuid=${shellWord(host.uuid)} sr-uuid=${shellWord(sr)}`] },
    ],
  }),
  'last-replica': about =>
    about.clearedBy === 'time'
      ? waiting(about, 'Without it a mirror would have no current copy. Wait for the other copies.')
      : bringBack('Without it a mirror would have no current copy, and nothing brings the other copies up to date.'),
  'quorum-loss': about =>
    about.clearedBy === 'time'
      ? waiting(about, 'Without it a mirror would lose its majority. Wait for the other replicas.')
      : bringBack('Without it a mirror would lose its majority, and nothing brings the other replicas back.'),
  'peer-unknown': () => ({
    text: 'A replica lies on a machine that is no host of the pool. If it stays up by itself, name it in policy.outsidePeers.',
    steps: [{ on: 'coordinator', commands: ['grep -n outsidePeers /etc/resync-monitor/updater.yaml'] }],
  }),
  'mirror-list-missing': () =>
    agentOf('It has not said where its replicas are. It is asked every half minute; if that fails, look at its agent.'),
  'replicas-unknown': about =>
    about.clearedBy === 'time'
      ? waiting(about, 'It was told to reboot or shut down. Wait until it is back and reports its replicas.')
      : crashed(about),
  'holder-without-report': ({ host, sr }) => ({
    text: 'It holds replicas and does not report on them. Connect it to the SR, and start an agent there that watches the SR.',
    steps: [
      {
        on: 'coordinator',
        commands: [
          `xe pbd-create host-uuid=${shellWord(host.uuid)} sr-uuid=${shellWord(sr)}`,
          `xe pbd-plug uuid=$(xe pbd-list host-uuid=${shellWord(host.uuid)} sr-uuid=${shellWord(sr)} --minimal)`,
        ],
      },
      { on: 'host', commands: [`systemctl status ${UNIT}`] },
    ],
  }),
  'one-at-a-time': ({ host }) => ({
    text: 'These hosts may only go one after the other. Ask for each alone.',
    steps: [{ on: 'anywhere', commands: [`resync-monitor can-reboot ${shellWord(host.name)}`] }],
  }),
  'override-expired': ({ host }) => ({
    text: 'The override blocks nothing by itself. Remove it, or give another one if the risk is still meant to be taken.',
    steps: [{ on: 'anywhere', commands: [`resync-monitor override --clear ${shellWord(host.name)}`] }],
  }),
}

function waitForSr({ sr }: About): string {
  return `resync-monitor wait --sr ${shellWord(sr)}`
}

function waiting(about: About, text: string): GateRemedy {
  return { text, steps: [{ on: 'anywhere', commands: [`resync-monitor wait --host ${shellWord(about.host.name)}`] }] }
}

function bringBack(text: string): GateRemedy {
  return {
    text: `${text} See what keeps them away, on each host that has one.`,
    steps: [{ on: 'host', commands: ['resync-monitor explain', 'drbdadm status'] }],
  }
}

/** DRBD lets go of such a disk at a reboot only, so a gate that waits for it to be in sync would wait for ever. */
function stuckDisk({ host }: About): GateRemedy {
  return {
    text: `Only a reboot of ${host.name} clears its stuck disk. See that other hosts have current copies and are connected, then let it go by an override, and reboot it.`,
    warning:
      'An override lets the host go whatever the gate says: without a current copy elsewhere virtual disks stop.',
    steps: [
      { on: 'anywhere', commands: ['resync-monitor status'] },
      {
        on: 'anywhere',
        commands: [`resync-monitor override ${shellWord(host.name)} --reason "stuck disk" --for 1h`],
      },
    ],
  }
}

/** The pool may have lost nothing but its word: what is cheap and harms nothing comes first. */
function crashed({ host }: About): GateRemedy {
  return {
    text: 'The pool hears nothing of it. See whether the machine runs, and then its agent. If it is down, power it on: by hand where it has no power-on mode. Only if it is gone for good, forget it (xe host-forget).',
    warning: 'To forget a host cannot be undone, and its local storage is given up with it.',
    steps: [
      { on: 'host', commands: [`systemctl status ${UNIT}`] },
      { on: 'coordinator', commands: [`xe host-power-on uuid=${shellWord(host.uuid)}`] },
    ],
  }
}

/** For reports that time brings: first see whether the agent runs. */
function agentOf(text: string): GateRemedy {
  return {
    text,
    steps: [{ on: 'host', commands: [`systemctl status ${UNIT}`, `journalctl -u ${UNIT} -n 50 --no-pager`] }],
  }
}

function restart(text: string): GateRemedy {
  return { text, steps: [{ on: 'host', commands: [`systemctl restart ${UNIT}`] }] }
}
