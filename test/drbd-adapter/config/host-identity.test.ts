import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readHostIdentity } from '../../../src/drbd-adapter/config/host-identity.ts'
import { DrbdConfigReader } from '../../../src/drbd-adapter/config/read-config.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'

/** Recorded on Linux 6.1 with one network interface; the addresses are changed. */
const FIB_TRIE = `Main:
  +-- 0.0.0.0/0 3 0 5
     |-- 0.0.0.0
        /0 universe UNICAST
     +-- 10.9.9.0/24 2 0 2
        +-- 10.9.9.0/28 2 0 2
           |-- 10.9.9.0
              /24 link UNICAST
           |-- 10.9.9.1
              /32 host LOCAL
        |-- 10.9.9.255
           /32 link BROADCAST
     +-- 127.0.0.0/8 2 0 2
        +-- 127.0.0.0/31 1 0 0
           |-- 127.0.0.0
              /8 host LOCAL
           |-- 127.0.0.1
              /32 host LOCAL
        |-- 127.255.255.255
           /32 link BROADCAST
`
const IF_INET6 = `fd000000000000000000000000000001 02 40 00 80     eth0
00000000000000000000000000000001 01 80 10 80       lo
`

function place(root: string, files: Record<string, string>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), text)
  }
}

/** The mirrors with their peers, as `r/0: NAME …` or `r/0: DOUBT`. */
const peersIn = async (reader: DrbdConfigReader) =>
  (await reader.read()).volumes.map(({ mirror, peers: { peers, doubt } }) => {
    const names = peers.map(({ nodeId, names: [name = '?'] }) => `${name}(${nodeId})`)
    return `${mirror}: ${doubt ?? names.join(' ')}`
  })

t.test('the identity of a host is its name and the addresses of its interfaces', async t => {
  const root = t.testdir({})
  t.strictSame(await readHostIdentity(root), { name: null, addresses: null })
  place(root, {
    'proc/sys/kernel/hostname': 'alpha\n',
    'proc/net/fib_trie': FIB_TRIE,
    'proc/net/if_inet6': IF_INET6,
  })
  const { name, addresses } = await readHostIdentity(root)
  t.equal(name, 'alpha')
  t.strictSame([...(addresses ?? [])], ['10.9.9.1', '127.0.0.1', '::1', 'fd00::1'])
})

t.test('floating hosts are found by address, also when an address comes up late', async t => {
  const root = t.testdir({})
  const floating = (id: number, address: string) =>
    `floating ${address} { node-id ${id}; device minor 1; disk /dev/x; meta-disk internal; }`
  const three = [1, 2, 3].map(id => floating(id, `10.9.9.${id}:7788`)).join(' ')
  const links = [2, 3].map(id => `connection { address 10.9.9.1:7788; address 10.9.9.${id}:7788; }`).join(' ')
  place(root, {
    'proc/sys/kernel/hostname': 'alpha\n',
    'etc/drbd.conf': `resource r { ${three} ${links} }`,
    'etc/drbd.d/six.res': `resource six { ${floating(0, 'ipv6 [fd00:0::1]:7788')} ${floating(1, 'ipv6 [fd00::2]:7788')} }`,
  })
  const reader = new DrbdConfigReader(root, machineClock, 0)
  const undecided = 'r/0: resource r: it is not clear which section is for this host'
  t.strictSame(
    await peersIn(reader),
    [undecided, 'six/0: ?(null)'],
    'with two hosts one is the peer, whichever host this is',
  )
  place(root, { 'proc/net/fib_trie': FIB_TRIE.replace('10.9.9.1\n', '10.9.9.77\n'), 'proc/net/if_inet6': '' })
  t.strictSame((await peersIn(reader))[0], undecided, 'the network is not up yet')
  place(root, { 'proc/net/fib_trie': FIB_TRIE, 'proc/net/if_inet6': IF_INET6 })
  t.strictSame(await peersIn(reader), ['r/0: 10.9.9.2:7788(2) 10.9.9.3:7788(3)', 'six/0: ipv6 [fd00::2]:7788(1)'])
})

t.test('stacked resources, and the output of drbdsetup show', async t => {
  const root = t.testdir({})
  place(root, {
    'proc/sys/kernel/hostname': 'alpha\n',
    'etc/drbd.d/lower.res':
      'resource lower { device minor 1; disk /dev/x; meta-disk internal; on alpha { address 10.9.9.1:1; } on bravo { address 10.9.9.2:1; } }',
    'etc/drbd.d/upper.res':
      'resource upper { stacked-on-top-of lower { device minor 9; address 10.9.9.9:2; } on charlie { device minor 9; disk /dev/y; meta-disk internal; address 10.9.9.3:2; } }',
    'etc/drbd.d/shown.res':
      'resource shown { _this_host { node-id 0; volume 0 { device minor 4; disk "/dev/z"; } } connection { _peer_node_id 1; path { _this_host ipv4 10.9.9.1:3; _remote_host ipv4 10.9.9.2:3; } net { _name "bravo"; } } }',
  })
  t.strictSame((await peersIn(new DrbdConfigReader(root, machineClock, 0))).toSorted(), [
    'lower/0: bravo(null)',
    'shown/0: bravo(1)',
    'upper/0: charlie(null)',
  ])
  writeFileSync(join(root, 'proc/sys/kernel/hostname'), 'charlie\n')
  t.strictSame((await peersIn(new DrbdConfigReader(root, machineClock, 0))).toSorted(), [
    'shown/0: bravo(1)',
    'upper/0: ?(null)',
  ])
})

t.test('two files with different peers for one resource cause a doubt; two equal files do not', async t => {
  const root = t.testdir({})
  const pair = (peer: string) =>
    `resource r { device minor 1; disk /dev/x; meta-disk internal; on alpha { node-id 0; address 10.9.9.1:1; } on ${peer} { node-id 1; address 10.9.9.2:1; } }`
  place(root, {
    'proc/sys/kernel/hostname': 'alpha\n',
    'etc/drbd.d/r.res': pair('bravo'),
    'var/lib/linstor.d/r.res': pair('bravo'),
  })
  const reader = new DrbdConfigReader(root, machineClock, 0)
  t.strictSame(await peersIn(reader), ['r/0: bravo(1)'])
  place(root, { 'var/lib/linstor.d/r.res': pair('charlie') })
  t.strictSame(await peersIn(reader), [
    'r/0: resource r: /etc/drbd.d/r.res and /var/lib/linstor.d/r.res both configure it',
  ])
  rmSync(join(root, 'etc/drbd.d/r.res'))
  t.strictSame(await peersIn(reader), ['r/0: charlie(1)'])
})

t.test('a file that drbdadm rejects causes a doubt about the whole configuration', async t => {
  const root = t.testdir({})
  for (const text of [
    'resource r { } }',
    'resource "r { }\nresource s { }',
    'resource r { } volume 3 { }',
    'resource r;',
  ]) {
    place(root, { 'etc/drbd.conf': text })
    t.match(
      (await new DrbdConfigReader(root, machineClock, 0).read()).doubt,
      /^\/etc\/drbd.conf (is rejected by drbdadm|ends)/,
      text,
    )
  }
})
