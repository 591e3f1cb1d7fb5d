import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { parseRole, watchRole } from '../../src/coordinator/host-role.ts'
import { settle, VirtualClock } from '../platform/time/virtual-clock.ts'

t.test('pool.conf says whether a host is the coordinator', async t => {
  t.equal(parseRole('master'), 'coordinator')
  t.equal(parseRole('master\n'), 'coordinator')
  t.equal(parseRole('slave:192.0.2.10'), 'member')
  t.equal(parseRole('broken'), 'member')
  for (const other of ['', 'mast', 'masterful', 'slaves:1']) t.equal(parseRole(other), 'unknown', other)
})

t.test('each change of the role is seen, also when the file goes away', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'role-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const file = join(folder, 'pool.conf')
  writeFileSync(file, 'slave:192.0.2.10')
  const clock = new VirtualClock()
  const stop = new AbortController()
  const seen: string[] = []
  const watching = (async () => {
    for await (const role of watchRole(file, clock, stop.signal)) seen.push(role)
  })()
  const until = async (count: number) => {
    while (seen.length < count) {
      clock.advance(1_000)
      await settle()
      await new Promise(setImmediate)
    }
  }
  await until(1)
  writeFileSync(file, 'master')
  await until(2)
  rmSync(file)
  await until(3)
  stop.abort()
  await watching
  t.same(seen, ['member', 'coordinator', 'unknown'])
})
