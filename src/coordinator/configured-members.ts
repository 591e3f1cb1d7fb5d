import type { EmbeddedPool } from '../embedded-pool/embedded-pool.ts'
import { forgottenKey, type PoolMember } from '../embedded-pool/hosts/forgotten-members.ts'
import type { CoordinatorLog } from './coordinator-log.ts'
import type { UpdaterConfig } from './updater-config.ts'

type Members = Pick<UpdaterConfig, 'hosts' | 'srs'>

/** Whether a configuration contains a host, an SR or the connection of both. */
export function names({ hosts, srs }: Members, { host, sr }: PoolMember): boolean {
  if (sr === undefined) return hosts.some(({ uuid }) => uuid === host)
  const named = srs.find(({ uuid }) => uuid === sr)
  return named !== undefined && (host === undefined || named.hosts.includes(host))
}

/**
 * Applies the hosts and SRs of a configuration to the pool: adds what the pool does not have, and changes what differs. Records that
 * a XenAPI call has removed are not added, and records that the configuration no longer contains stay. Both are logged.
 * @param before the configuration in force until now; `null` at a start
 */
export function applyMembers(pool: EmbeddedPool, config: Members, before: Members | null, log: CoordinatorLog): void {
  pool.forgotten.keepOnly(membersOf(config))
  const hosts = applyHosts(pool, config, log)
  for (const sr of config.srs) applySr(pool, sr, before, hosts, log)
  if (before !== null) logLeftMembers(pool, config, before, log)
}

function membersOf({ hosts, srs }: Members): PoolMember[] {
  return [
    ...hosts.map(({ uuid }) => ({ host: uuid })),
    ...srs.flatMap(({ uuid: sr, hosts: members }) => [{ sr }, ...members.map(host => ({ host, sr }))]),
  ]
}

/** @returns refs of the configured hosts that are in the pool, by UUID */
function applyHosts(pool: EmbeddedPool, { hosts }: Members, log: CoordinatorLog): ReadonlyMap<string, string> {
  const refs = new Map(pool.list('host').map(([ref, { uuid }]) => [uuid, ref]))
  for (const { uuid, hostname, address } of hosts) {
    const ref = refs.get(uuid)
    const host = ref === undefined ? undefined : pool.get('host', ref)
    if (ref === undefined || host === undefined) {
      if (pool.forgotten.has({ host: uuid })) logForgotten(log, `host ${hostname}`, { host: uuid })
      // Not live until its first heartbeat.
      else refs.set(uuid, pool.addHost({ uuid, hostname, address, live: false }))
      continue
    }
    if (host.hostname !== hostname) {
      // Keeps a label that a user has set; otherwise it follows the hostname.
      const label = host.name_label === host.hostname ? { name_label: hostname } : {}
      pool.configureHost(ref, { hostname, ...label })
      log('configuration-applied', `the hostname of host ${uuid} is ${hostname}; it was ${host.hostname}`)
    }
    if (host.address !== address) pool.configureHost(ref, { address })
  }
  return refs
}

function applySr(
  pool: EmbeddedPool,
  { uuid, name, type, hosts: members }: UpdaterConfig['srs'][number],
  before: Members | null,
  hosts: ReadonlyMap<string, string>,
  log: CoordinatorLog,
): void {
  const known = pool.list('SR').find(([, sr]) => sr.uuid === uuid)
  if (known === undefined && pool.forgotten.has({ sr: uuid })) {
    logForgotten(log, `SR ${name}`, { sr: uuid })
    return
  }
  if (known !== undefined) {
    const [ref, sr] = known
    if (sr.type !== type) {
      pool.configureSr(ref, { type })
      log('configuration-applied', `the type of SR ${uuid} is ${type}; it was ${sr.type}`)
    }
    const nameBefore = before?.srs.find(each => each.uuid === uuid)?.name
    if (nameBefore !== undefined && nameBefore !== name) {
      pool.configureSr(ref, { name_label: name })
      log('configuration-applied', `the name of SR ${uuid} is ${name}; it was ${sr.name_label}`)
    } else if (before === null && sr.name_label !== name) {
      const text = `SR ${uuid} keeps its name ${sr.name_label}: it was changed through XenAPI, and the configuration contains ${name}`
      log('configuration-kept', text, 'info')
    }
  }
  const sr = known?.[0] ?? pool.addSr({ uuid, name_label: name, type, clustered: true, shared: true })
  const connected = new Set(pool.list('PBD').flatMap(([, pbd]) => (pbd.SR === sr ? [pbd.host] : [])))
  for (const member of members) {
    const host = hosts.get(member)
    if (host === undefined || connected.has(host)) continue
    if (pool.forgotten.has({ host: member, sr: uuid })) {
      logForgotten(log, `the PBD of host ${member} for SR ${name}`, { host: member, sr: uuid })
    } else pool.addPbd({ host, sr, attached: true })
  }
}

/** Logs members that the configuration no longer contains. They stay, because they may still be needed; only a call removes them. */
function logLeftMembers(pool: EmbeddedPool, config: Members, before: Members, log: CoordinatorLog): void {
  const stays = (what: string, call: string) =>
    log('configuration-kept', `${what} is no longer in the configuration and stays in the pool; ${call} removes it`)
  const hosts = new Map(pool.list('host').map(([ref, { uuid }]) => [uuid, ref]))
  const srs = new Map(pool.list('SR').map(([ref, { uuid }]) => [uuid, ref]))
  for (const member of membersOf(before)) {
    if (names(config, member)) continue
    const { host, sr } = member
    if (sr === undefined) {
      if (hosts.has(host))
        stays(`host ${before.hosts.find(({ uuid }) => uuid === host)?.hostname ?? host}`, 'host.destroy')
    } else if (host === undefined) {
      if (srs.has(sr)) stays(`SR ${sr}`, 'SR.forget')
    } else if (names(config, { sr }) && names(config, { host })) {
      const [ofHost, ofSr] = [hosts.get(host), srs.get(sr)]
      const isThere = pool.list('PBD').some(([, pbd]) => pbd.host === ofHost && pbd.SR === ofSr)
      if (isThere) stays(`the PBD of host ${host} for SR ${sr}`, 'PBD.destroy')
    }
  }
}

function logForgotten(log: CoordinatorLog, what: string, member: PoolMember): void {
  log(
    'member-forgotten',
    `${what} is in the configuration and is not added: a XenAPI call has removed it from the pool. To add it again, remove it from the file, reload, and put it back; or remove ${forgottenKey(member)} from pool.other_config and reload`,
  )
}
