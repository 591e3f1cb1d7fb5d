import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentConfigSchema } from '../../src/agent/agent-config.ts'
import { AgentService } from '../../src/agent/agent-service.ts'
import type { Log } from '../../src/platform/systemd/log.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { MdHost } from '../mdraid-adapter/follow/md-host.ts'
import { recordedMoments } from '../mdraid-adapter/parse/recorded.ts'
import { run } from '../volume-plugin/run-script.ts'
import { connected, until } from '../xapi-notify/toolstack-under-test.ts'

const moment = (name: string) => recordedMoments(`raid1-create-initial-resync.alpha.${name}.sysfs.txt`)[0]

t.test('unplugging and plugging an SR during a resync begins no second one', async t => {
  const { pool, hosts, sr: srRef, url } = await connected(t)
  const machine = new MdHost(t, moment('1-resyncing'))
  machine.write('proc/sys/kernel/random/boot_id', 'b0b0b0b0-0000-4000-8000-000000000001\n')
  machine.write('proc/uptime', '1.00 1.00\n')
  const folder = mkdtempSync(join(tmpdir(), 'resync-monitor-test-'))
  writeFileSync(join(folder, 'password'), 'right')
  const sr = pool.get('SR', srRef)?.uuid ?? ''
  const config = AgentConfigSchema.parse({
    host: pool.get('host', hosts[0]?.ref ?? '')?.uuid,
    toolstack: { url, passwordFile: join(folder, 'password') },
    md: { mdadm: [] },
    socket: join(folder, 'agent.sock'),
    metrics: { enabled: false },
    stateDirectory: join(folder, 'state'),
    root: machine.root,
  })
  const logged: Parameters<Log>[0][] = []
  const begin = () =>
    AgentService.start({ config, clock: machineClock, log: entry => logged.push(entry), version: '0' })
  let service = await begin()
  t.teardown(async () => {
    await service.close()
    rmSync(folder, { recursive: true })
  })
  const env = { RESYNC_MONITOR_SOCKET: config.socket, RESYNC_MONITOR_STATE_DIRECTORY: config.stateDirectory }
  const call = async (method: string, params: unknown) => {
    const { code, stdout } = await run(method, params, env)
    t.equal(code, 0, `${method}: ${stdout}`)
    return JSON.parse(stdout)
  }
  const uri = `resync-monitor://${sr}`
  const plug = () => call('SR.attach', { configuration: { sr_uuid: sr, md: 'md0' } })
  const unplug = () => call('SR.detach', { sr: uri })
  const messages = () => pool.list('message').map(([, { name }]) => name)
  const tasks = () => pool.list('task').map(([, { status }]) => status)
  const begun = () => logged.filter(({ code }) => code === 'resync-started').length

  await plug()
  await until('the resync has a task', () => tasks().length === 1)
  for (const _ of [1, 2]) {
    await unplug()
    t.match((await run('SR.stat', { sr: uri }, env)).stdout, /Sr_not_attached/)
    // The agent acts on detached SRs once a second.
    await new Promise(resolve => setTimeout(resolve, 1_500))
    t.equal(service.answers.report(sr)?.state, 'resyncing', 'the agent still reports the SR while it is unplugged')
    await plug()
    t.match(await call('SR.stat', { sr: uri }), { health: ['Recovering', String] })
  }
  await new Promise(resolve => setTimeout(resolve, 1_500))
  t.strictSame([messages(), tasks(), begun()], [['RESYNC_STARTED'], ['pending'], 1])

  await unplug()
  await service.close()
  service = await begin()
  await plug()
  await until('the resync is reported again', () => begun() === 2)
  await new Promise(resolve => setTimeout(resolve, 1_500))
  t.strictSame([messages(), tasks()], [['RESYNC_STARTED'], ['pending']], 'a restart in between adds none')

  await unplug()
  const synced = moment('3-done')
  if (synced === undefined) throw new Error('the recording does not exist')
  machine.show(synced)
  await until('the resync ends', () => messages().length === 2)
  t.strictSame(messages(), ['RESYNC_STARTED', 'RESYNC_FINISHED'])
  await until('it is not watched any more', () => service.answers.srs().length === 0)
  await until('the task ends', () => tasks().join() === 'success')
})
