/** A host or an SR that a finding is about. */
export interface SubjectName {
  readonly uuid: string
  readonly name: string
}

export interface FindingFacts {
  readonly host?: SubjectName
  readonly sr?: SubjectName
  /** A word or a name, depending on the code. */
  readonly detail?: string
  readonly seconds?: number
  readonly untilMs?: number
  /** The Task exists. */
  readonly isBlocking?: boolean
}

/** `failure`: the pool is not protected; `unclear`: that cannot be known; `warning`: to be corrected; `note`: to be known. */
type FindingSeverity = 'failure' | 'unclear' | 'warning' | 'note'

interface FindingKind {
  readonly severity: FindingSeverity
  /** What is found. */
  readonly text: (facts: FindingFacts) => string
  /** What to do; `null`: nothing. */
  readonly remedy: ((facts: FindingFacts) => string) | null
}

const UPDATER = 'systemctl status resync-monitor-updater'
const AGENT = 'systemctl status resync-monitor-agent'
const name = (subject: SubjectName | undefined) => subject?.name ?? '?'
const uuidOf = (subject: SubjectName | undefined) => subject?.uuid ?? '?'
const untilOf = ({ untilMs = 0 }: FindingFacts) =>
  `${new Date(untilMs).toISOString().slice(0, 19).replace('T', ' ')} UTC`
const leftBehind = ({ isBlocking }: FindingFacts) =>
  isBlocking === true ? ' The Task of an earlier guard still blocks every reboot, for a day at most.' : ''

/** Everything about each finding of `doctor`. */
const KINDS = {
  'no-sentinel': {
    severity: 'failure',
    text: () => 'The pool has no SR of type resync-monitor, so reboots cannot be blocked.',
    remedy: () =>
      'xe sr-create type=resync-monitor shared=true content-type=resync-monitor name-label="Mirrors in sync"',
  },
  'sentinel-not-clustered': {
    severity: 'failure',
    text: ({ sr }) => `SR ${name(sr)} is not clustered, so its Task blocks nothing.`,
    remedy: () => 'Install the volume plugin on the coordinator, restart its toolstack, and create the SR again.',
  },
  'sentinel-unplugged': {
    severity: 'failure',
    text: ({ sr }) => `SR ${name(sr)} is plugged on no host, so its Task blocks nothing.`,
    remedy: ({ sr }) => `xe pbd-list sr-uuid=${uuidOf(sr)} ; xe pbd-plug uuid=PBD`,
  },
  'no-guard': {
    severity: 'failure',
    text: facts => `No guard has ever acted in this pool.${leftBehind(facts)}`,
    remedy: () => 'Run `resync-monitor updater --toolstack xapi` as a service on every host.',
  },
  'guard-silent': {
    severity: 'failure',
    text: facts => `The guard does not act any more: its last heartbeat has expired.${leftBehind(facts)}`,
    remedy: () => `On the coordinator: ${UPDATER}`,
  },
  'guard-unclear': {
    severity: 'unclear',
    text: ({ detail }) => `It is not known whether a guard acts: ${detail}.`,
    remedy: () => `On the coordinator: ${UPDATER}`,
  },
  'task-missing': {
    severity: 'warning',
    text: ({ host }) => `${name(host)} is not in sync, and the Task does not exist.`,
    remedy: () => 'Run doctor again; if it stays so, read the log of the guard on the coordinator.',
  },
  'sentinel-is-default': {
    severity: 'warning',
    text: ({ sr }) => `SR ${name(sr)} is the default SR of the pool. New disks cannot be created there.`,
    remedy: () => 'xe pool-param-set uuid=POOL default-SR=OTHER',
  },
  'sentinel-content-type': {
    severity: 'warning',
    text: ({ sr }) => `SR ${name(sr)} has the content type user, so clients offer it for disks.`,
    remedy: () => 'Create it again with content-type=resync-monitor.',
  },
  'host-unplugged': {
    severity: 'warning',
    text: ({ host }) => `The sentinel SR is not plugged on ${name(host)}.`,
    remedy: ({ host }) => `xe pbd-list host-uuid=${uuidOf(host)} ; xe pbd-plug uuid=PBD`,
  },
  'host-without-pbd': {
    severity: 'warning',
    text: ({ host }) => `${name(host)} has no PBD for the sentinel SR, so the guard does not see its mirrors.`,
    remedy: ({ host }) => `xe pbd-create host-uuid=${uuidOf(host)} sr-uuid=SR ; xe pbd-plug uuid=PBD`,
  },
  'no-report': {
    severity: 'warning',
    text: ({ host, sr }) => `${name(host)} has not reported SR ${name(sr)}, which blocks every reboot.`,
    remedy: ({ host, sr }) => `On ${name(host)}: ${AGENT}, and list ${uuidOf(sr)} in srs of its configuration.`,
  },
  'report-unreadable': {
    severity: 'warning',
    text: ({ host, sr }) =>
      `The report of ${name(host)} about SR ${name(sr)} cannot be read, which blocks every reboot.`,
    remedy: ({ host }) => `On ${name(host)}: install the version of the coordinator.`,
  },
  'clock-differs': {
    severity: 'warning',
    text: ({ host, seconds = 0 }) =>
      `The clock of ${name(host)} is ${Math.abs(Math.round(seconds))} s ${seconds > 0 ? 'ahead of' : 'behind'} the coordinator's.`,
    remedy: ({ host }) => `On ${name(host)}: chronyc makestep`,
  },
  'hosts-disabled': {
    severity: 'warning',
    text: ({ detail }) => `${detail} are disabled at the same time, so none of them may reboot.`,
    remedy: () => 'Enable all but one, or reserve the reboot: resync-monitor reserve HOST',
  },
  reservation: {
    severity: 'note',
    text: facts => `The next reboot is reserved for ${name(facts.host)} until ${untilOf(facts)}, by ${facts.detail}.`,
    remedy: ({ host }) => `To end it: resync-monitor reserve ${name(host)} --remove`,
  },
  override: {
    severity: 'note',
    text: facts => `${name(facts.host)} has an override until ${untilOf(facts)}, by ${facts.detail}.`,
    remedy: ({ host }) => `To end it: resync-monitor override --clear ${name(host)}`,
  },
  'guard-elsewhere': {
    severity: 'note',
    text: ({ host, detail }) => `The guard runs on ${detail}, not on the coordinator ${name(host)}.`,
    remedy: null,
  },
  'no-auto-enable': {
    severity: 'note',
    text: ({ host, detail }) =>
      `xapi ${detail} on ${name(host)} has no auto_enable, so holdReturningHosts has no effect.`,
    remedy: null,
  },
} as const satisfies Readonly<Record<string, FindingKind>>

export interface Finding {
  readonly code: keyof typeof KINDS
  readonly severity: FindingSeverity
  readonly host: SubjectName | null
  readonly sr: SubjectName | null
  readonly text: string
  /** A command, or what to do; `null`: nothing. */
  readonly remedy: string | null
}

export function finding(code: keyof typeof KINDS, facts: FindingFacts): Finding {
  const { severity, text, remedy }: FindingKind = KINDS[code]
  const { host, sr } = facts
  return {
    code,
    severity,
    host: host === undefined ? null : { uuid: host.uuid, name: host.name },
    sr: sr === undefined ? null : { uuid: sr.uuid, name: sr.name },
    text: text(facts),
    remedy: remedy?.(facts) ?? null,
  }
}
