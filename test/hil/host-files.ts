import { type MdPlan, mdFiles } from './array-over-hosts.ts'
import type { DrbdPlan, Topology } from './topology.ts'

export const PORTS = { xapi: 9_980, agent: 9_400, agentMetrics: 9_944, updaterMetrics: 9_945 } as const
export const PASSWORD = 'hil'
const AGENTS_PASSWORD = 'hil-agents'

const FIRST_DRBD_PORT = 7_788
/** A fixed rate, because 8.4's dynamic controller does not keep to a limit. */
const RESYNC_RATE = '2M'
/** The default of half a second declares a guest dead that this busy machine does not schedule in time. */
const PING_TIMEOUT_TENTHS = 30
/** Long for a real host, and short enough that the pool notices a power cut within a scenario. */
const ASSUME_DEAD_AFTER_SECONDS = 15

export function addressOf(topology: Topology, host: string): string {
  return `10.9.9.${topology.hosts.indexOf(host) + 1}`
}

export function uuidOf(topology: Topology, host: string): string {
  return `0a0a0a0a-0000-4000-8000-00000000000${topology.hosts.indexOf(host) + 1}`
}

/** The mirrors of a host, with the disk of each. */
export function mirrorsOf(
  topology: Topology,
  host: string,
): readonly { readonly plan: DrbdPlan; readonly disk: number }[] {
  return topology.drbd.filter(({ hosts }) => hosts.includes(host)).map((plan, disk) => ({ plan, disk }))
}

/** The disk number of an array on one of its hosts; these disks follow those of DRBD. */
export function diskOfArray(topology: Topology, host: string, plan: MdPlan): number {
  const ofHost = topology.md.filter(each => each.host === host || each.legOn === host)
  return mirrorsOf(topology, host).length + ofHost.indexOf(plan)
}

/** The files of a host's /etc, by path below it. */
export function hostFiles(topology: Topology, host: string): Readonly<Record<string, string>> {
  const isCoordinator = host === topology.hosts[0]
  const daemon = (name: string, file: string) => `hil-daemon ${name} --config /etc/resync-monitor/${file}\n`
  return {
    hosts: ['127.0.0.1 localhost', ...topology.hosts.map(name => `${addressOf(topology, name)} ${name}`), ''].join(
      '\n',
    ),
    'drbd.conf': drbdConf(topology, host),
    'resync-monitor/agents-password': `${AGENTS_PASSWORD}\n`,
    'resync-monitor/config.yaml': JSON.stringify(agentConfig(topology, host), null, 2),
    // The recorder must not load the module.
    ...(topology.drbd.length > 0 && { 'rc.d/10-drbd': 'modprobe drbd\ndrbdadm up all\nhil-record\n' }),
    ...mdFiles(topology.md, host, plan => diskOfArray(topology, host, plan)),
    ...(isCoordinator && {
      'resync-monitor/password': `${PASSWORD}\n`,
      'resync-monitor/updater.yaml': JSON.stringify(updaterConfig(topology), null, 2),
      'rc.d/40-updater': daemon('updater', 'updater.yaml'),
    }),
    'rc.d/50-agent': daemon('agent', 'config.yaml'),
  }
}

function drbdConf(topology: Topology, host: string): string {
  const resources = mirrorsOf(topology, host).map(({ plan: { name, minor, hosts } }) => {
    const sides = hosts.map(side => {
      const disk = mirrorsOf(topology, side).find(({ plan }) => plan.name === name)?.disk
      const port = FIRST_DRBD_PORT + minor
      return `  on ${side} { device /dev/drbd${minor}; disk /dev/disk${disk}; meta-disk internal; address ${addressOf(topology, side)}:${port}; }`
    })
    return `resource ${name} {\n  disk { c-plan-ahead 0; resync-rate ${RESYNC_RATE}; }\n${sides.join('\n')}\n}`
  })
  const net = `protocol C; verify-alg crc32c; ping-timeout ${PING_TIMEOUT_TENTHS};`
  return ['global { usage-count no; }', `common { net { ${net} } }`, ...resources, ''].join('\n')
}

function agentConfig(topology: Topology, host: string): object {
  const coordinator = addressOf(topology, topology.hosts[0])
  return {
    host: uuidOf(topology, host),
    srs: topology.srs
      .filter(({ hosts }) => hosts.includes(host))
      .map(({ uuid, drbd, md, emptyOn = [] }) => ({ uuid, drbd, md, allowEmpty: emptyOn.includes(host) })),
    toolstack: {
      url: `http://${coordinator}:${PORTS.xapi}`,
      user: 'agents',
      passwordFile: '/etc/resync-monitor/agents-password',
      heartbeatEverySeconds: 1,
    },
    machine: { reboot: ['/sbin/hil-reboot'], shutdown: ['/sbin/hil-poweroff'] },
    listen: { host: '0.0.0.0', port: PORTS.agent },
    metrics: { host: '0.0.0.0', port: PORTS.agentMetrics },
  }
}

function updaterConfig(topology: Topology): object {
  return {
    listen: { host: '0.0.0.0', port: PORTS.xapi },
    stateFile: '/var/lib/resync-monitor/pool.json',
    users: [
      { name: 'root', passwordFile: '/etc/resync-monitor/password' },
      { name: 'agents', passwordFile: '/etc/resync-monitor/agents-password', role: 'host-agent' },
    ],
    hosts: topology.hosts.map(name => ({
      uuid: uuidOf(topology, name),
      hostname: name,
      address: addressOf(topology, name),
      agent: `http://${addressOf(topology, name)}:${PORTS.agent}`,
    })),
    srs: topology.srs.map(({ uuid, hosts }) => ({ uuid, hosts: hosts.map(name => uuidOf(topology, name)) })),
    assumeDeadAfterSeconds: ASSUME_DEAD_AFTER_SECONDS,
    metrics: { host: '0.0.0.0', port: PORTS.updaterMetrics },
    decisionLog: { file: '/out/log/decisions.jsonl' },
  }
}
