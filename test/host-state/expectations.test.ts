import t from 'tap'
import type { SrSelection } from '../../src/host-state/sr-selection.ts'
import { drbdSr, expected, hostOf, maybeEmpty, SR, volume } from './host-under-test.ts'

const PACE = { forgetAfterMs: 600_000, missAfterMs: 3_000 }

/** An agent that has read its whole kernel state, which is empty. */
function agentAt(configured: readonly string[], srs: readonly SrSelection[] = [maybeEmpty(drbdSr(['xcp-*']))]) {
  const under = hostOf({ srs, expectationPace: PACE }, configured)
  const { host, time } = under
  under.observe(1, [])
  const tick = (at: number) => {
    time.now = at
    host.tick()
  }
  const configure = (at: number, mirrors: readonly string[], doubt: string | null = null) => {
    time.now = at
    host.expect('drbd', expected(...mirrors), doubt)
  }
  const missing = () => host.report(SR)?.reasons.map(({ code, mirror }) => `${code} ${mirror}`)
  return { ...under, tick, configure, missing }
}

t.test('LINSTOR deletes its files when it starts: a mirror that was never up stays expected for a while', async t => {
  const { host, configure, missing, tick } = agentAt(['xcp-0/0', 'xcp-1/0'])
  t.strictSame(missing(), ['not-up xcp-0/0', 'not-up xcp-1/0'])
  configure(1_000, [])
  t.strictSame(missing(), ['not-up xcp-0/0', 'not-up xcp-1/0'])
  configure(2_000, ['xcp-1/0'])
  t.strictSame(missing(), ['not-up xcp-0/0', 'not-up xcp-1/0'], 'a mirror that is configured again is not new')
  tick(600_999)
  t.strictSame(missing(), ['not-up xcp-0/0', 'not-up xcp-1/0'])
  tick(601_000)
  t.strictSame(missing(), ['not-up xcp-1/0'], 'a mirror that does not come back was removed')
  await host.close()
})

t.test('a mirror that was up is no longer expected once it leaves the configuration', async t => {
  const { host, configure, missing, observe } = agentAt(['xcp-0/0', 'xcp-1/0'])
  observe(2, [volume('xcp-0/0')])
  observe(3, [], null, ['xcp-0/0'])
  t.strictSame(missing(), ['not-up xcp-1/0', 'not-up xcp-0/0'])
  configure(4, [])
  t.strictSame(missing(), ['not-up xcp-1/0'])
  observe(5, [volume('xcp-1/0')])
  host.tick()
  observe(6, [], null, ['xcp-1/0'])
  t.strictSame(missing(), [], 'this includes a mirror that came up after it left the configuration')
  await host.close()
})

t.test('a new resource has a grace period; at the first reading there is none', async t => {
  const { host, configure, missing, observe, tick, kinds } = agentAt(['xcp-0/0'])
  observe(2, [volume('xcp-0/0')])
  kinds.length = 0
  configure(1_000, ['xcp-0/0', 'xcp-1/0', 'xcp-2/0'])
  observe(2_000, [volume('xcp-1/0')])
  tick(3_999)
  t.strictSame(kinds, [], 'neither caused a transition')
  tick(4_000)
  t.strictSame(missing(), ['not-up xcp-2/0'])
  await host.close()
})

t.test(
  'there is no grace period after a doubt, for an SR that names a resource, or when the clock is set back',
  async t => {
    const first = agentAt(['xcp-0/0'], [drbdSr(['xcp-*'])])
    first.configure(1_000, ['xcp-0/0'], '/etc/drbd.d cannot be listed: EIO')
    first.configure(2_000, ['xcp-0/0', 'xcp-1/0'])
    t.strictSame(
      first.missing(),
      ['not-up xcp-0/0', 'not-up xcp-1/0'],
      'the mirror may have been configured for a long time',
    )
    first.configure(3_000, ['xcp-0/0', 'xcp-1/0', 'xcp-2/0'])
    first.tick(2_500)
    t.strictSame(first.missing()?.at(-1), 'not-up xcp-2/0')
    await first.host.close()
    const second = agentAt([])
    second.host.expect('drbd', [{ mirror: 'xcp-db/*', shownAs: ['xcp-db'], names: ['xcp-db'], isChoice: true }])
    t.strictSame(second.missing(), ['not-up xcp-db/*'])
    second.host.expect('drbd', [])
    t.strictSame(second.missing(), [], 'the resource is forgotten when no SR names it')
    await second.host.close()
  },
)
