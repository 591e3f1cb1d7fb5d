import t from 'tap'
import { addressGroup } from '../../../src/platform/http/client-groups.ts'

t.test('a machine is identified by its IPv4 address, or the network of its IPv6 address', async t => {
  const cases: readonly (readonly [string | undefined, string])[] = [
    [undefined, ''],
    ['192.0.2.1', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::FFFF:192.0.2.1', '192.0.2.1'],
    ['2001:db8:1:2:3:4:5:6', '2001:db8:1:2::/64'],
    ['2001:db8:1:2::', '2001:db8:1:2::/64'],
    ['2001:db8::6', '2001:db8:0:0::/64'],
    ['2001:db8::1:2:3:4:5', '2001:db8:0:1::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['::1', '0:0:0:0::/64'],
    ['::', '0:0:0:0::/64'],
  ]
  for (const [address, group] of cases) t.equal(addressGroup(address), group, String(address))
})
