import t from 'tap'
import { parseDrbdConfig } from '../../../src/drbd-adapter/config/parse-config.ts'
import { drbdadmMissing, runDrbdadm } from './drbdadm.ts'

const skip = drbdadmMissing() ?? false

/** The result of this project's parser, in the form of `runDrbdadm`. A doubt counts as a peer. */
function parsed(config: string, name: string, peersToo = true): Record<string, string[]> {
  const { volumes } = parseDrbdConfig(config, 'drbd.conf', { name, addresses: new Set() })
  const entries = volumes.map(({ mirror, peers: { peers, doubt } }): [string, string[]] => {
    const ofVolume = peers.map(({ nodeId, names, diskless }) => `${nodeId} ${names[0]}${diskless ? ' diskless' : ''}`)
    return [mirror, [...ofVolume.sort(), ...(doubt === null ? [] : [`doubt: ${doubt}`])]]
  })
  return Object.fromEntries(entries.map(([mirror, ofVolume]) => [mirror, peersToo ? ofVolume : []]))
}

const DISK = 'device minor 1; disk /dev/x; meta-disk internal;'
const ON = (name: string, id: number, more = '') =>
  `on ${name} { node-id ${id}; address 127.0.0.${id + 1}:7789; ${more} }`
const THREE = `${ON('alpha', 0)} ${ON('bravo', 1)} ${ON('charlie', 2)}`

/** Titles and configurations that drbdadm accepts, with the host if it is not alpha. */
const ACCEPTED: readonly [what: string, config: string, host?: string][] = [
  ['two hosts are connected implicitly', `resource r { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 1)} }`],
  ['a single host has no peer', `resource r { ${DISK} ${ON('alpha', 0)} }`],
  ['a mesh', `resource r { ${DISK} ${THREE} connection-mesh { hosts alpha bravo charlie; } }`],
  [
    'a mesh of some hosts',
    `resource r { ${DISK} ${THREE} connection-mesh { hosts alpha charlie; net { protocol A; } } }`,
  ],
  ['a mesh of others', `resource r { ${DISK} ${THREE} connection-mesh { hosts bravo charlie; } }`],
  [
    'two meshes',
    `resource r { ${DISK} ${THREE} connection-mesh { hosts alpha bravo; } connection-mesh { hosts charlie alpha; } }`,
  ],
  [
    'connections',
    `resource r { ${DISK} ${THREE} connection { host alpha; host bravo; } connection { host charlie; host alpha; } }`,
  ],
  ['a connection of others only', `resource r { ${DISK} ${THREE} connection { host bravo; host charlie; } }`],
  [
    'a mesh and a connection',
    `resource r { ${DISK} ${THREE} connection-mesh { hosts alpha bravo; } connection { host alpha; host charlie; } }`,
  ],
  [
    'addresses and ports of a connection',
    `resource r { ${DISK} ${THREE} connection { host alpha address 127.0.0.9:1; host bravo port 7000; } }`,
  ],
  [
    'two paths',
    `resource r { ${DISK} ${THREE} connection { path { host alpha; host bravo; } path { host alpha address 127.0.1.1:1; host bravo address ipv4 127.0.1.2:1; } } }`,
  ],
  [
    'a connection by addresses',
    `resource r { ${DISK} ${THREE} connection { address 127.0.0.1:7789; address ipv4 127.0.0.3:7789; } }`,
  ],
  [
    'a skipped connection',
    `resource r { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 1)} skip connection { host alpha; host alpha; } }`,
  ],
  [
    'names of connections',
    `resource r { ${DISK} ${THREE} connection { net { _name left; } host alpha; host bravo; } connection-mesh { hosts alpha charlie; net { _name "right one"; } } }`.replace(
      'right one',
      'right',
    ),
  ],
  [
    'drbdadm 9 does not use the name of a connection',
    `resource r { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 1)} connection { host alpha; host bravo; } }`,
  ],
  [
    'several names of a host',
    `resource r { ${DISK} ${ON('alpha a2', 0)} ${ON('bravo b2', 1)} connection { host a2; host b2; } }`,
  ],
  [
    'a host name without its domain',
    `resource r { ${DISK} ${ON('ALPHA', 0)} ${ON('bravo.example.com', 1)} }`,
    'alpha.example.com',
  ],
  [
    'a host name with a domain',
    `resource r { ${DISK} ${ON('alpha.example.com', 0)} ${ON('bravo', 1)} connection { host Alpha; host BRAVO.example.org; } }`,
  ],
  [
    'the same host name in another domain',
    `resource r { ${DISK} ${ON('alpha.example.com', 0)} ${ON('bravo', 1)} }`,
    'alpha.example.org',
  ],
  ['another host', `resource r { ${DISK} ${ON('bravo', 0)} ${ON('charlie', 1)} }`],
  [
    'quotes and comments',
    `# resource x { }\nresource "r" { ${DISK} # on bravo {\n ${ON('"alpha"', 0)} ${ON('"bravo"', 1)} options { on-no-quorum "io-error"; }\nhandlers { split-brain "echo } { ; # no comment \\" still"; } }`,
  ],
  [
    'a diskless peer',
    `resource r { device minor 1; ${ON('alpha', 0, 'disk /dev/x; meta-disk internal;')} ${ON('bravo', 1, 'disk none;')} }`,
  ],
  [
    'a diskless peer of one of two volumes',
    `resource r { ${ON('alpha', 0, 'volume 0 { device minor 1; disk /dev/x; meta-disk internal; } volume 7 { device minor 2; disk /dev/y; meta-disk internal; }')} ${ON('bravo', 1, 'volume 0 { device minor 1; disk none; } volume 7 { device minor 2; disk /dev/y; meta-disk internal; }')} }`,
  ],
  [
    'this host is diskless',
    `resource r { device minor 1; ${ON('alpha', 0, 'disk none;')} ${ON('bravo', 1, 'disk /dev/x; meta-disk internal;')} }`,
  ],
  [
    'volumes of the resource with disks of the hosts',
    `resource r { volume 3 { device minor 1; } ${ON('alpha', 0, 'volume 3 { disk /dev/x; meta-disk internal; }')} ${ON('bravo', 1, 'volume 3 { disk none; }')} }`,
  ],
  [
    'a diskless resource with disks of the hosts',
    `resource r { volume 3 { device minor 1; disk none; meta-disk internal; } ${ON('alpha', 0, 'volume 3 { disk /dev/x; }')} ${ON('bravo', 1)} }`,
  ],
  [
    'options of a connection that name a volume',
    `resource r { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 1)} connection { host alpha; host bravo; volume 0 { disk { c-max-rate 100M; } } disk { c-min-rate 1M; } } }`,
  ],
  [
    'a resource without volumes',
    `resource r { ${ON('alpha', 0)} ${ON('bravo', 1)} } resource s { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 3)} }`.replace(
      /7789; }( connection)?/g,
      '7789; }',
    ),
  ],
  [
    'common options, and a skip that continues after its semicolon',
    `global { usage-count no; } common { net { protocol C; } disk { on-io-error detach; } } skip; resource q { ${DISK} ${THREE} } resource r { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 1)} }`,
  ],
  [
    'proxies',
    `resource r { ${DISK} ${ON('alpha', 0, 'proxy on alpha { inside 127.0.0.1:7; outside 10.0.0.1:7; }')} ${ON('bravo', 1, 'proxy on bravo { inside 127.0.0.1:8; outside 10.0.0.2:7; }')} }`,
  ],
  [
    'proxies of a connection',
    `resource r { ${DISK} ${THREE} connection { host alpha via proxy on alpha { inside 127.0.0.1:7; outside 10.0.0.1:7; } host bravo address 127.0.0.2:9 via proxy on bravo { inside 127.0.0.1:8; outside 10.0.0.2:7; } } }`,
  ],
  [
    'floating hosts',
    `resource r { ${DISK} floating 10.9.9.1:7788 { node-id 0; } floating ipv4 10.9.9.2:7788 { node-id 1; } }`,
    '10.9.9.1',
  ],
  [
    'three floating hosts',
    `resource r { ${DISK} floating 10.9.9.1:7788 { node-id 4; } floating 10.9.9.2:7788 { node-id 1; disk none; } floating 10.9.9.3:7788 { node-id 2; } connection { address 10.9.9.1:7788; address 10.9.9.2:7788; } connection { address 10.9.9.3:7788; address 10.9.9.1:7788; } }`.replace(
      'disk none; ',
      '',
    ),
    '10.9.9.1',
  ],
]

t.test('the parser and drbdadm agree on volumes and peers', { skip }, async t => {
  for (const [what, config, host = 'alpha'] of ACCEPTED) {
    const answer = runDrbdadm(config, host)
    if (answer.kind === 'rejected') t.fail(`${what}: drbdadm rejects it: ${answer.cause}`)
    else t.strictSame(parsed(config, host), answer.volumes, what)
  }
})

t.test('without node ids two hosts are found by name', { skip }, async t => {
  const config = `resource r { ${DISK} on alpha { address 127.0.0.1:1; } on bravo { address 127.0.0.2:1; } }`
  t.strictSame(parsed(config, 'alpha'), { 'r/0': ['null bravo'] })
  t.match(runDrbdadm(config, 'alpha'), { volumes: { 'r/0': [/^\d bravo$/] } })
})

t.test('a configuration that drbdadm rejects or does not connect causes a doubt', { skip }, async t => {
  const table: [what: string, config: string][] = [
    ['three hosts and no connection', `resource r { ${DISK} ${THREE} }`],
    ['a host that has no section', `resource r { ${DISK} ${THREE} connection { host alpha; host delta; } }`],
    ['a connection of three', `resource r { ${DISK} ${THREE} connection { host alpha; host bravo; host charlie; } }`],
    ['a lost semicolon', `resource r { ${DISK} ${THREE} connection { host alpha host bravo; } }`],
    ['two sections for one host', `resource r { ${DISK} ${ON('alpha', 0)} ${ON('alpha.example.com', 1)} }`],
    ['an unknown statement', `resource r { ${DISK} ${ON('alpha', 0)} ${ON('bravo', 1)} conection { host alpha; } }`],
  ]
  for (const [what, config] of table) {
    const answer = runDrbdadm(config, 'alpha')
    const connects = answer.kind === 'up' && Object.values(answer.volumes).some(peers => peers.length > 0)
    t.notOk(connects, `${what}: drbdadm connects nothing`)
    t.match(Object.values(parsed(config, 'alpha')).flat().join(), /doubt: /, what)
  }
})

t.test('the parser and drbdadm agree on random configurations', { skip }, async t => {
  const hosts = ['alpha', 'bravo', 'charlie', 'delta', 'echo']
  let compared = 0
  for (let seed = 1; seed <= 150; seed += 1) {
    const config = configurationOf(randomFrom(seed), hosts)
    const host = hosts[seed % hosts.length] ?? ''
    const answer = runDrbdadm(config, host)
    const found = parsed(config, host)
    if (answer.kind === 'rejected') continue
    compared += 1
    const doubted = Object.values(found)
      .flat()
      .some(peer => peer.startsWith('doubt: '))
    if (doubted) {
      // A doubt is correct only if drbdadm connects nothing.
      const connected = Object.entries(answer.volumes).filter(([mirror]) =>
        found[mirror]?.some(peer => peer.startsWith('doubt')),
      )
      if (connected.some(([, peers]) => peers.length > 0)) t.fail(`seed ${seed} is doubted for nothing: ${config}`)
    } else if (JSON.stringify(sorted(found)) !== JSON.stringify(sorted(answer.volumes))) {
      t.strictSame(found, answer.volumes, `seed ${seed} on ${host}: ${config}`)
    }
  }
  t.ok(compared > 100, `${compared} were compared`)
})

function sorted(volumes: Readonly<Record<string, readonly string[]>>) {
  return Object.entries(volumes).toSorted(([a], [b]) => (a < b ? -1 : 1))
}

/** Up to four resources of up to five hosts, with all kinds of connections. */
function configurationOf(random: () => number, hosts: readonly string[]): string {
  const pick = (count: number) => Math.floor(random() * count)
  let minor = 0
  let port = 7000
  const resources = Array.from({ length: 1 + pick(4) }, (_, index) => {
    port += 1
    const members = hosts.filter(() => random() < 0.6).slice(0, 5)
    if (members.length === 0) members.push('alpha')
    const volumes = Array.from({ length: 1 + pick(3) }, (_, volume) => ({
      volume: volume * (1 + pick(3)),
      minor: ++minor,
    })).filter(({ volume }, place, all) => all.findIndex(each => each.volume === volume) === place)
    const sections = members.map((host, id) => {
      const inside = volumes.map(({ volume, minor: number }) => {
        const disk = random() < 0.25 ? 'disk none;' : `disk /dev/${host}-${number}; meta-disk internal;`
        return `volume ${volume} { device minor ${number}; ${disk} }`
      })
      const name = random() < 0.2 ? `${host} ${host}-too` : host
      return `on ${name} { node-id ${id}; address 127.0.${id}.1:${port}; ${inside.join(' ')} }`
    })
    return `resource r${index} { ${sections.join('\n')}\n ${connectionsOf(members, random, pick)} }`
  })
  return resources.join('\n')
}

function connectionsOf(hosts: readonly string[], random: () => number, pick: (count: number) => number): string {
  const kind = pick(4)
  if (kind === 0) return ''
  const some = hosts.filter(() => random() < 0.8)
  if (kind === 1 && some.length > 0) return `connection-mesh { hosts ${some.join(' ')}; }`
  const pairs = hosts.flatMap((one, index) => hosts.slice(index + 1).map(other => [one, other] as const))
  return pairs
    .filter(() => random() < 0.7)
    .map(([one, other]) => {
      const ends = random() < 0.5 ? `host ${one}; host ${other};` : `path { host ${other}; host ${one}; }`
      return `connection { ${ends} ${random() < 0.3 ? `net { _name to-${one}-${other}; }` : ''} }`
    })
    .join('\n')
}

/** Pseudo-random numbers from 0 to 1 (xorshift32). */
function randomFrom(seed: number): () => number {
  let state = seed * 2_654_435_761
  return () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) / 2 ** 32
  }
}
