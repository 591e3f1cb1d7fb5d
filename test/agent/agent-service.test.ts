import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentConfigSchema } from '../../src/agent/agent-config.ts'
import { AgentService } from '../../src/agent/agent-service.ts'
import type { Log } from '../../src/platform/systemd/log.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { until } from '../xapi-notify/toolstack-under-test.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const MD_SR = '5c5c5c5c-0000-4000-8000-000000000002'

/** A host without DRBD and md in its kernel, and its agent. */
async function agentOn(root: string, srs: unknown, onEnd: (end: () => Promise<void>) => void) {
  mkdirSync(join(root, 'proc/sys/kernel/random'), { recursive: true })
  writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), 'b0b0b0b0-0000-4000-8000-000000000001\n')
  writeFileSync(join(root, 'proc/uptime'), '1.00 1.00\n')
  mkdirSync(join(root, 'sys/block'), { recursive: true })
  // A socket's path has at most 107 bytes.
  const run = mkdtempSync(join(tmpdir(), 'resync-monitor-test-'))
  const logged: Parameters<Log>[0][] = []
  const config = AgentConfigSchema.parse({
    host: '0a0a0a0a-0000-4000-8000-000000000001',
    srs,
    md: { mdadm: [] },
    socket: join(run, 'agent.sock'),
    metrics: { enabled: false },
    stateDirectory: join(root, 'state'),
    root,
  })
  const service = await AgentService.start({
    config,
    clock: machineClock,
    log: entry => logged.push(entry),
    version: '0',
  })
  onEnd(async () => {
    await service.close()
    rmSync(run, { recursive: true })
  })
  return { service, logged }
}

t.test(
  'a configuration that cannot be read leaves its SRs unknown and is logged once; later its mirrors are missing',
  async t => {
    const root = t.testdir({ etc: { 'drbd.d': {}, mdadm: {} } })
    symlinkSync('r0.res', join(root, 'etc/drbd.d/r0.res'))
    symlinkSync('mdadm.conf', join(root, 'etc/mdadm/mdadm.conf'))
    const srs = [
      { uuid: SR, drbd: ['r*'] },
      { uuid: MD_SR, md: ['/dev/md/*'] },
    ]
    const { service, logged } = await agentOn(root, srs, end => t.teardown(end))
    const reasonsOf = (sr: string) =>
      service.answers.report(sr)?.reasons.map(({ code, word, mirror }) => word ?? `${code} ${mirror}`)
    await until(
      'the configuration of DRBD is reported as unreadable',
      () => reasonsOf(SR)?.join() === '/etc/drbd.d/r0.res cannot be read: ELOOP',
    )
    await until(
      'the configuration of md is reported as unreadable',
      () => reasonsOf(MD_SR)?.some(word => /^Cannot be read \(too many symbolic links/.test(word)) === true,
    )
    const misread = logged.filter(({ code }) => code === 'configuration-misread').map(({ text }) => text)
    t.equal(misread.length, 2)
    t.match(misread.join(), /drbd: \/etc\/drbd.d\/r0.res cannot be read: ELOOP/)
    rmSync(join(root, 'etc/drbd.d/r0.res'))
    writeFileSync(join(root, 'etc/drbd.d/r0.res'), 'resource r0 { }')
    await until('the configuration is read', () => reasonsOf(SR)?.join() === 'not-up r0/0')
  },
)

t.test('a resource that an SR names is missing when no configuration names it', async t => {
  const { service } = await agentOn(t.testdir({}), [{ uuid: SR, drbd: ['database'] }], end => t.teardown(end))
  await until(
    'the resource is reported as missing',
    () => service.answers.report(SR)?.reasons[0]?.mirror === 'database/*',
  )
  t.match(service.answers.report(SR), { state: 'degraded', reasons: [{ code: 'not-up' }] })
})

t.test('the cause why a source does not answer is logged, with the error of the system', async t => {
  const root = t.testdir({ sys: { module: { drbd: { version: '9.2.18\n' } } } })
  const { service, logged } = await agentOn(root, [{ uuid: SR, drbd: ['r*'] }], end => t.teardown(end))
  const entries = () => logged.filter(({ code }) => code === 'source-silent')
  await until('it is logged', () => entries().length > 0)
  t.match(entries()[0], {
    level: 'warning',
    text: /^drbd: the state of its mirrors is unknown: drbdsetup events2(: ENOENT| exited \d+)/,
  })
  t.equal(service.answers.report(SR)?.state, 'unknown')
})
