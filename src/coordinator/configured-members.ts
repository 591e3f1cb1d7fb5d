import type { EmbeddedPool } from '../embedded-pool/embedded-pool.ts'
import { forgottenKey, type PoolMember } from '../embedded-pool/hosts/forgotten-members.ts'
import type { Log } from '../platform/systemd/log.ts'
import type { UpdaterConfig } from '../updater/updater-config.ts'

type Members = Pick<UpdaterConfig, 'hosts' | 'srs'>

/** Whether a configuration names a host, an SR or the connection of both. */
export function names({ hosts, srs }: Members, { host, sr }: PoolMember): boolean {
  if (sr === undefined) return hosts.some(({ uuid }) => uuid === host)
  const named = srs.find(({ uuid }) => uuid === sr)
  return named !== undefined && (host === undefined || named.hosts.includes(host))
}

/**
 * Brings the hosts and SRs of a configuration into the pool: adds what the pool does not have, and applies what is different.
 * What a call of XenAPI has taken out is not added, and what the configuration no longer names stays; the log says both.
 * @param before the configuration that was in force; `null`: this is a start
 */
export function applyMembers(pool: EmbeddedPool, config: Members, before: Members | null, log: Log): void {
  pool.forgotten.keepOnly(membersOf(config))
  const hosts = applyHosts(pool, config, log)
  for (const sr of config.srs) applySr(pool, sr, before, hosts, log)
  if (before !== null) tellLeft(pool, config, before, log)
}

function membersOf({ hosts, srs }: Members): PoolMember[] {
  return [
    ...hosts.map(({ uuid }) => ({ host: uuid })),
    ...srs.flatMap(({ uuid: sr, hosts: members }) => [{ sr }, ...members.map(host => ({ host, sr }))]),
  ]
}

/** @returns refs of the configured hosts that are in the pool, by UUID */
function applyHosts(pool: EmbeddedPool, { hosts }: Members, log: Log): ReadonlyMap<string, string> {
  const refs = new Map(pool.list('host').map(([ref, { uuid }]) => [uuid, ref]))
  for (const { uuid, hostname, address } of hosts) {
    const ref = refs.get(uuid)
    const host = ref === undefined ? undefined : pool.get('host', ref)
    if (ref === undefined || host === undefined) {
      if (pool.forgotten.has({ host: uuid })) tellForgotten(log, `host ${hostname}`, { host: uuid })
      // Not live until it has said so itself.
      else refs.set(uuid, pool.addHost({ uuid, hostname, address, live: false }))
      continue
    }
    if (host.hostname !== hostname) {
      // The label is what people have called it, or what it was added with.
      const label = host.name_label === host.hostname ? { name_label: hostname } : {}
      pool.configureHost(ref, { hostname, ...label })
      tellApplied(log, `the hostname of host ${uuid} is ${hostname}; it was ${host.hostname}`)
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
  log: Log,
): void {
  const known = pool.list('SR').find(([, sr]) => sr.uuid === uuid)
  if (known === undefined && pool.forgotten.has({ sr: uuid })) {
    tellForgotten(log, `SR ${name}`, { sr: uuid })
    return
  }
  if (known !== undefined) {
    const [ref, sr] = known
    if (sr.type !== type) {
      pool.configureSr(ref, { type })
      tellApplied(log, `the type of SR ${uuid} is ${type}; it was ${sr.type}`)
    }
    const nameBefore = before?.srs.find(each => each.uuid === uuid)?.name
    if (nameBefore !== undefined && nameBefore !== name) {
      pool.configureSr(ref, { name_label: name })
      tellApplied(log, `the name of SR ${uuid} is ${name}; it was ${sr.name_label}`)
    } else if (before === null && sr.name_label !== name) {
      const text = `SR ${uuid} keeps its name ${sr.name_label}: it was changed through XenAPI, and the configuration says ${name}`
      log({ level: 'info', code: 'configuration-kept', text })
    }
  }
  const sr = known?.[0] ?? pool.addSr({ uuid, name_label: name, type, clustered: true, shared: true })
  const connected = new Set(pool.list('PBD').flatMap(([, pbd]) => (pbd.SR === sr ? [pbd.host] : [])))
  for (const member of members) {
    const host = hosts.get(member)
    if (host === undefined || connected.has(host)) continue
    if (pool.forgotten.has({ host: member, sr: uuid })) {
      tellForgotten(log, `the PBD of host ${member} for SR ${name}`, { host: member, sr: uuid })
    } else pool.addPbd({ host, sr, attached: true })
  }
}

/** What the configuration has named until now stays: what it holds may still be needed, and only a call takes it out. */
function tellLeft(pool: EmbeddedPool, config: Members, before: Members, log: Log): void {
  const stays = (what: string, call: string) =>
    log({
      level: 'warning',
      code: 'configuration-kept',
      text: `${what} is no longer in the configuration and stays in the pool; ${call} takes it out`,
    })
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

function tellApplied(log: Log, text: string): void {
  log({ level: 'info', code: 'configuration-applied', text })
}

function tellForgotten(log: Log, what: string, member: PoolMember): void {
  log({
    level: 'warning',
    code: 'member-forgotten',
    text: `${what} is in the configuration and is not added: a call of XenAPI has taken it out of the pool. To add it again remove it from the file, reload, and put it in again; or remove ${forgottenKey(member)} from pool.other_config and reload`,
  })
}
