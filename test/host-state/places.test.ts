import t from 'tap'
import type { SrSelection } from '../../src/host-state/sr-selection.ts'
import { parseMdConfig } from '../../src/mdraid-adapter/config/parse-md-config.ts'
import { expectedArrays, resolveArrays } from '../../src/mdraid-adapter/expected-arrays.ts'
import { array, hostOf, maybeEmpty, SR } from './host-under-test.ts'

const UUID = '8349c26d-d272-2bc4-1122-334455667788'
const MDADM_UUID = '8349c26d:d2722bc4:11223344:55667788'
const FOREIGN = '11111111-2222-3333-4444-555555555555'

const mdSr = (uuid: string, ...md: readonly string[]): SrSelection => ({ uuid, drbd: [], md, ignorePeers: [] })

/** An agent for these SRs on a host with this mdadm.conf; `configure` replaces mdadm.conf. */
function agentWith(srs: readonly SrSelection[], text = '') {
  const under = hostOf({ srs })
  const configure = (conf: string) => {
    const configured = parseMdConfig(conf, 'mdadm.conf')
    const patterns = srs.flatMap(({ md }) => md)
    const resolved = srs.map(sr => ({ ...sr, md: resolveArrays(sr.md, configured) }))
    under.host.select(resolved, { md: { mirrors: expectedArrays(configured, patterns), doubt: null } })
  }
  configure(text)
  const missing = (sr = SR) => under.host.report(sr)?.reasons.map(({ code, mirror }) => `${code} ${mirror}`)
  return { ...under, configure, missing }
}

t.test(
  'an array that was missing under its kernel name comes up with a UUID, and belongs to the SRs that name the UUID',
  async t => {
    const { host, observeMd, state } = agentWith([mdSr(SR, 'md9'), mdSr('by-uuid', UUID)])
    observeMd(1, [])
    t.strictSame([state(), state('by-uuid')], ['degraded', 'degraded'])
    observeMd(2, [array('md9', { uuid: UUID })])
    t.strictSame([state(), state('by-uuid')], ['synced', 'synced'])
    t.strictSame(host.present().md, [{ name: 'md9', uuid: UUID }])
    await host.close()
  },
)

t.test('another array with the kernel name of a missing one does not replace it', async t => {
  const { host, observeMd, missing } = agentWith([mdSr(SR, UUID)], `ARRAY md9 UUID=${MDADM_UUID}\n`)
  observeMd(1, [])
  t.strictSame(missing(), ['not-up /dev/md9'])
  observeMd(2, [array('md9', { uuid: FOREIGN })])
  t.strictSame(missing(), ['not-up /dev/md9'])
  observeMd(3, [array('md127', { uuid: UUID })])
  t.strictSame(missing(), [])
  await host.close()
})

t.test('a missing array whose line gets a name is missing for the SRs that select that name', async t => {
  const line = `ARRAY UUID=${MDADM_UUID}`
  const { host, observeMd, missing, configure } = agentWith([maybeEmpty(mdSr(SR, '/dev/md/h*'))], `${line}\n`)
  observeMd(1, [])
  t.strictSame(missing(), [])
  configure(`${line} name=host:home\n`)
  t.strictSame(missing(), [`not-up ${UUID}`])
  configure(`${line}\n`)
  t.strictSame(missing(), [])
  await host.close()
})

t.test(
  'an array that was created under an old name while no source ran has no history and belongs to other SRs',
  async t => {
    const { host, observeMd, state } = agentWith([mdSr(SR, UUID), mdSr('foreign', FOREIGN)])
    const oneLeg = { slots: { expected: 2, current: 1 } }
    observeMd(1, [array('md9', { uuid: UUID })])
    host.loseSource('md', 'it ended')
    observeMd(2, [array('md9', { uuid: FOREIGN, ...oneLeg })])
    t.strictSame([state(), state('foreign')], ['degraded', 'degraded'])
    t.match(host.report(SR)?.reasons, [{ code: 'not-up' }])
    await host.close()
  },
)

t.test('a source that reports the removal of a missing mirror changes nothing', async t => {
  const { host, observeMd, missing } = agentWith([mdSr(SR, 'md9')])
  observeMd(1, [])
  observeMd(2, [], null, ['md9'])
  t.strictSame(missing(), ['not-up md9'])
  await host.close()
})
