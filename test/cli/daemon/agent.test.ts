import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { execa } from 'execa'
import t from 'tap'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { REPORT_KEY } from '../../../src/sync-query/report/report.ts'
import { parseReport } from '../../../src/sync-query/report/report-parse.ts'
import { rawCall } from '../../agent-api/raw-call.ts'
import { DaemonProcess, until } from './daemon-process.ts'
import { IN_SYNC, ModelKernel, resyncing } from './model-kernel.ts'

const BOOT_ID = 'b0b0b0b0-0000-4000-8000-000000000001'
const HOST = '0a0a0a0a-0000-4000-8000-000000000001'
const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const OTHER_SR = '5c5c5c5c-0000-4000-8000-000000000002'

interface TearsDown {
  teardown(end: () => unknown): void
}

/** A host with two mirrors, both in sync, and the configuration of its agent. */
function hostOf(t: TearsDown, toolstack?: object) {
  const folder = mkdtempSync(join(tmpdir(), 'agent-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  const kernel = new ModelKernel(join(folder, 'root'), BOOT_ID)
  kernel.setState({ mesh0: IN_SYNC, mesh1: IN_SYNC })
  writeFileSync(
    join(kernel.root, 'etc/drbd.d/mesh.res'),
    'resource mesh0 { volume 0 { } }\nresource mesh1 { volume 0 { } }\n',
  )
  const file = join(folder, 'agent.yaml')
  const socket = join(folder, 'agent.sock')
  const configure = (changes: object = {}) => {
    const config = {
      host: HOST,
      srs: [{ uuid: SR, drbd: ['mesh*'] }],
      drbd: { drbdsetup: kernel.drbdsetup },
      md: { mdadm: [] },
      root: kernel.root,
      socket,
      metrics: { port: 0 },
      stateDirectory: join(folder, 'state'),
      ...(toolstack === undefined ? {} : { toolstack }),
      ...changes,
    }
    writeFileSync(`${file}.new`, JSON.stringify(config, null, 1))
    renameSync(`${file}.new`, file)
  }
  configure()
  const ask = async (method: string, params: Record<string, unknown> = {}) =>
    rawCall(socket, method, params, AbortSignal.timeout(5_000)).catch(() => null)
  const stateOf = async (sr = SR) => {
    const report = await ask('SR.sync_status', { sr })
    return typeof report === 'object' && report !== null && 'state' in report ? report.state : null
  }
  const start = (env: Readonly<Record<string, string>> = {}) => new DaemonProcess(t, ['agent', '--config', file], env)
  const becomes = (state: string, sr = SR) => until(`${sr} is ${state}`, async () => (await stateOf(sr)) === state)
  return { folder, kernel, file, socket, configure, ask, stateOf, start, becomes }
}

const hasEnded = (pid: number) => !existsSync(`/proc/${pid}`)

t.test('the agent starts, follows DRBD, reloads its configuration, and leaves no socket and no children', async t => {
  const { kernel, file, socket, configure, ask, start, becomes } = hostOf(t)
  const daemon = start()
  await becomes('synced')
  kernel.setState({ mesh0: resyncing(4096), mesh1: IN_SYNC })
  await becomes('resyncing')
  const [, url = ''] = await until('metrics are served', () => /served at (\S+)/.exec(daemon.log))
  const scraped = await (await fetch(url)).text()
  for (const series of [
    `resync_monitor_sr_state{sr="${SR}",state="resyncing"} 1`,
    `resync_monitor_mirror_not_synced{sr="${SR}",mirror="mesh0/0",state="resyncing"} 1`,
    'resync_monitor_source_up{backend="drbd"} 1',
  ]) {
    t.match(scraped, series)
  }

  configure({
    srs: [
      { uuid: SR, drbd: ['mesh1'] },
      { uuid: OTHER_SR, drbd: ['mesh0'] },
    ],
  })
  await becomes('synced')
  await becomes('resyncing', OTHER_SR)

  writeFileSync(file, '{ "host": "me",\n "srss": [] }')
  await until('the error is logged with its line', () => daemon.log.includes(`${file}:2: srss: there is no such key`))
  t.match(daemon.log, /agent.yaml:1: host: must be a UUID/)
  t.match(await ask('SR.list'), [{ sr: SR }, { sr: OTHER_SR }], 'the previous configuration stays in effect')

  kernel.setState({ mesh1: IN_SYNC })
  await becomes('degraded', OTHER_SR)
  const children = daemon.children()
  t.ok(children.length >= 2, 'drbdsetup, and the process that reads files')
  t.equal(await daemon.end('SIGTERM'), 0)
  t.notOk(existsSync(socket))
  await until('its children have ended', () => children.every(hasEnded))
})

/** Calls the plugin's scripts, as a toolstack does. */
async function callPlugin(socket: string, method: string, params: object) {
  const scripts = join(import.meta.dirname, '../../../plugin/volume/org.xen.xapi.storage.resync-monitor')
  const env = { ...process.env, RESYNC_MONITOR_SOCKET: socket }
  const input = JSON.stringify({ ...params, dbg: 'test' })
  const { stdout, exitCode } = await execa(join(scripts, method), ['--json'], { env, input, reject: false })
  return { exitCode, result: JSON.parse(stdout) }
}

t.test('an SR that the toolstack attaches through the plugin is watched, after a restart too', async t => {
  const { kernel, socket, start, becomes, stateOf } = hostOf(t)
  const call = (method: string, params: object) => callPlugin(socket, method, params)
  const daemon = start()
  await becomes('synced')
  const configuration = { drbd: 'mesh1' }
  const created = await call('SR.create', { uuid: OTHER_SR, name: 'sentinel', description: '', configuration })
  t.equal(created.exitCode, 0, JSON.stringify(created.result))
  const { result: sr } = await call('SR.attach', { configuration: created.result })
  await becomes('synced', OTHER_SR)
  t.match(await call('SR.stat', { sr }), { exitCode: 0, result: { clustered: true, health: ['Healthy', ''] } })
  kernel.setState({ mesh0: IN_SYNC, mesh1: resyncing(4096) })
  await becomes('resyncing', OTHER_SR)
  t.match(await call('SR.stat', { sr }), { result: { health: ['Recovering', /mesh1/] } })

  await daemon.end('SIGKILL')
  kernel.advanceUptime()
  const again = start()
  await becomes('resyncing', OTHER_SR)
  t.match(await call('SR.detach', { sr }), { exitCode: 0, result: null })
  t.equal(await stateOf(OTHER_SR), 'resyncing', 'a detached SR is watched until its resync ends')
  kernel.setState({ mesh0: IN_SYNC, mesh1: IN_SYNC })
  await until('it is no longer watched', async () => (await stateOf(OTHER_SR)) === null)
  await again.end('SIGTERM')
  t.match(await call('SR.stat', { sr }), { exitCode: 1, result: { code: /./, params: [], backtrace: { files: [] } } })
})

t.test(
  'an agent is killed while the toolstack creates SRs: each call gets a result or an error, and each confirmed SR exists',
  async t => {
    const { kernel, socket, start, becomes } = hostOf(t)
    const call = (method: string, params: object) => callPlugin(socket, method, params)
    const created = new Set<string>()
    for (let round = 0; round < 4; round += 1) {
      const daemon = start()
      await becomes('synced')
      for (const uuid of created) {
        const { result } = await call('SR.probe', { configuration: { sr_uuid: uuid } })
        t.match(result, [{ configuration: { drbd: 'mesh1', sr_uuid: uuid }, sr: { name: 'n'.repeat(1000) } }])
      }
      const uuids = Array.from(
        { length: 10 },
        (_, n) => `5c5c5c5c-0000-4000-8000-${String(round * 10 + n).padStart(12, '1')}`,
      )
      const calls = uuids.map(uuid =>
        call('SR.create', { uuid, name: 'n'.repeat(1000), description: '', configuration: { drbd: 'mesh1' } }),
      )
      await sleep(Math.random() * 200)
      await daemon.end('SIGKILL')
      for (const [index, { exitCode, result }] of (await Promise.all(calls)).entries()) {
        if (exitCode === 0) created.add(uuids[index] ?? '')
        else
          t.match(result, {
            code: 'SR_BACKEND_FAILURE',
            params: ['', /resync-monitor agent/, String],
            backtrace: Object,
          })
      }
      kernel.advanceUptime()
    }
  },
)

t.test('a changed stateDirectory takes effect at a restart, so an SR that is attached before is not lost', async t => {
  const { folder, kernel, socket, configure, start, becomes } = hostOf(t)
  const call = (method: string, params: object) => callPlugin(socket, method, params)
  const daemon = start()
  await becomes('synced')
  configure({ stateDirectory: join(folder, 'elsewhere') })
  await until('the log has the instruction', () =>
    /needs-restart: a change of stateDirectory takes effect only after a restart; before that, move the content of .*\/state to/.test(
      daemon.log,
    ),
  )
  const configuration = { drbd: 'mesh1', sr_uuid: OTHER_SR }
  t.match(await call('SR.attach', { configuration }), { exitCode: 0 })
  t.ok(existsSync(join(folder, 'state/volume-plugin')))
  t.notOk(existsSync(join(folder, 'elsewhere')))
  await daemon.end('SIGTERM')
  renameSync(join(folder, 'state'), join(folder, 'elsewhere'))
  kernel.advanceUptime()
  start()
  await becomes('synced', OTHER_SR)
  t.match(await call('SR.stat', { sr: `resync-monitor://${OTHER_SR}` }), { exitCode: 0 })
})

t.test('a source that is killed repeatedly starts again, and the agent answers meanwhile', async t => {
  const { start, becomes, stateOf } = hostOf(t)
  const daemon = start()
  for (let round = 0; round < 3; round += 1) {
    await becomes('synced')
    const before = daemon.children()
    for (const pid of before) process.kill(pid, 'SIGKILL')
    await until('new children run', async () => {
      t.not(await stateOf(), null, 'the agent still answers')
      const now = daemon.children()
      return now.length > 0 && now.every(pid => !before.includes(pid))
    })
  }
  t.equal(await daemon.end('SIGINT'), 0)
})

t.test('the cause of a start that fails is logged in one line', async t => {
  const { file, kernel, configure, start, becomes } = hostOf(t)
  const first = start()
  await becomes('synced')
  const second = start()
  t.equal(await second.ended(), 1)
  t.match(second.log, /cannot-start: another process listens at /)
  await becomes('synced')
  await first.end('SIGTERM')

  rmSync(join(kernel.root, 'proc'), { recursive: true })
  const withoutBootId = start()
  t.equal(await withoutBootId.ended(), 1)
  t.match(withoutBootId.log, /cannot-start: .*boot_id/)
  configure({ srs: [{ uuid: SR }, { uuid: SR }] })
  const invalid = start()
  t.equal(await invalid.ended(), 65)
  t.match(invalid.log, `${file}:`)
  t.match(invalid.log, /srs\[1\].uuid: is there twice/)
})

t.test('systemd gets READY after the start, WATCHDOG while the agent works, and STOPPING at the end', async t => {
  const { folder, start, becomes } = hostOf(t)
  const notified = join(folder, 'notified')
  const bin = join(folder, 'systemd-notify')
  writeFileSync(bin, `#!/bin/sh\necho "$@" >> ${notified}\n`, { mode: 0o755 })
  const daemon = start({ PATH: `${folder}:${process.env.PATH}`, NOTIFY_SOCKET: '/run/none', WATCHDOG_USEC: '100000' })
  await becomes('synced')
  const lines = () => (existsSync(notified) ? readFileSync(notified, 'utf8').split('\n') : [])
  await until('the watchdog is notified', () => lines().includes('WATCHDOG=1'))
  t.equal(lines()[0], 'READY=1')
  await daemon.end('SIGTERM')
  t.equal(lines().filter(Boolean).at(-1), 'STOPPING=1')
})

/** The embedded pool in this process, with this host in it; a test can close it and open it again. */
async function poolOf(t: TearsDown, folder: string) {
  const open = async (port: number) => {
    const pool = new EmbeddedPool({
      clock: machineClock,
      gate: { claim: () => ({ ok: true }) },
      machines: { goDown: () => undefined },
      authenticate: (_user, password) => password === 'secret',
      eventBatchMs: 2,
    })
    const host = pool.addHost({ hostname: 'hostA', uuid: HOST })
    const sr = pool.addSr({ uuid: SR, clustered: true })
    const pbd = pool.addPbd({ host, sr, attached: true })
    const { port: taken } = await pool.listen({ port })
    const text = () => pool.get('PBD', pbd)?.other_config[REPORT_KEY]
    const report = () => {
      const stored = text()
      const parsed = stored === undefined ? null : parseReport(stored)
      return parsed !== null && 'report' in parsed ? parsed.report : null
    }
    const messages = () => pool.list('message').map(([, { name }]) => name)
    const tasks = () => pool.list('task').map(([, { status }]) => status)
    return { pool, port: taken, pbd, report, messages, tasks }
  }
  const first = await open(0)
  let present = first
  t.teardown(() => present.pool.close())
  writeFileSync(join(folder, 'password'), 'secret\n')
  return {
    get present() {
      return present
    },
    toolstack: { url: `http://127.0.0.1:${first.port}`, passwordFile: join(folder, 'password') },
    close: () => present.pool.close(),
    openAgain: async () => {
      present = await open(first.port)
    },
  }
}

t.test('a resync becomes reports, messages and a task; a pool that lost its reports gets them again', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'pool-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const pool = await poolOf(t, folder)
  const { kernel, configure, start } = hostOf(t, pool.toolstack)
  const daemon = start()
  const reported = (state: string) =>
    until(`the pool has the report ${state}`, () => pool.present.report()?.state === state)
  await reported('synced')
  kernel.setState({ mesh0: resyncing(4096), mesh1: IN_SYNC })
  await reported('resyncing')
  await until('the message of the start is published', () => pool.present.messages().join() === 'RESYNC_STARTED')
  await until('a task runs', () => pool.present.tasks().join() === 'pending')
  kernel.setState({ mesh0: IN_SYNC, mesh1: IN_SYNC })
  await reported('synced')
  await until(
    'the message of the end is published',
    () => pool.present.messages().join() === 'RESYNC_STARTED,RESYNC_FINISHED',
  )
  await until('the task is done', () => pool.present.tasks().join() === 'success')

  pool.present.pool.removePbd(pool.present.pbd)
  const { pool: present } = pool.present
  const [host, sr] = [present.list('host')[0]?.[0] ?? '', present.list('SR')[0]?.[0] ?? '']
  const newPbd = present.addPbd({ host, sr, attached: true })
  await until('a new PBD has its report', () => present.get('PBD', newPbd)?.other_config[REPORT_KEY])

  await pool.close()
  kernel.setState({
    mesh0: IN_SYNC,
    mesh1: { ...IN_SYNC, connection: 'Connecting', replication: 'Off', peerDisk: 'DUnknown' },
  })
  await pool.openAgain()
  await reported('degraded')
  await until('the outage and its end are logged', () =>
    /reports-do-not-arrive: .*\n(.*\n)*.*reports-arrive/.test(daemon.log),
  )

  configure({ toolstack: { ...pool.toolstack, passwordFile: join(folder, 'none') } })
  await until('the failed reload is logged', () => /reload-failed: toolstack, machine: .*none/.test(daemon.log))
  kernel.setState({ mesh0: IN_SYNC, mesh1: IN_SYNC })
  await reported('synced')
  t.equal(await daemon.end('SIGTERM'), 0)
})

t.test('kernel files that hang delay no other source, and do not prevent the end', async t => {
  const { kernel, configure, start, becomes, ask } = hostOf(t)
  const hang = (path: string) => {
    rmSync(join(kernel.root, path), { force: true })
    mkdirSync(dirname(join(kernel.root, path)), { recursive: true })
    execFileSync('mkfifo', [join(kernel.root, path)])
  }
  hang('proc/drbd')
  hang('proc/mdstat')
  hang('sys/block/md0/md/array_state')
  hang('etc/mdadm/mdadm.conf')
  writeFileSync(join(kernel.root, 'sys/module/drbd/version'), '8.4.11\n')
  kernel.setState({ mesh0: IN_SYNC, mesh1: resyncing(4096) })
  configure({
    srs: [
      { uuid: SR, drbd: ['mesh0'] },
      { uuid: OTHER_SR, md: ['md0'] },
    ],
  })
  const daemon = start()
  await becomes('synced')
  await until('the hanging file is named', async () =>
    /source-silent.*mdstat/.test(JSON.stringify(await ask('SR.sync_status', { sr: OTHER_SR }))),
  )
  const endedAt = performance.now()
  t.equal(await daemon.end('SIGTERM'), 0)
  t.ok(performance.now() - endedAt < 4_900, 'it need not be killed')
})

t.test('an agent that is killed and started during a resync publishes the end, and each message once', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'pool-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const pool = await poolOf(t, folder)
  const { kernel, start } = hostOf(t, pool.toolstack)
  const out = [4096, 3000, 2000, 1000, 500, 0]
  let lastStartMs = 0
  let daemon = start()
  await until('everything is in sync before', () => pool.present.report()?.state === 'synced')
  for (const [round, outOfSyncKib] of out.entries()) {
    // On a busy machine no agent may have run long enough to create a task.
    if (outOfSyncKib === 0) await until('a task exists', () => pool.present.tasks().join() === 'pending')
    kernel.setState({ mesh0: outOfSyncKib === 0 ? IN_SYNC : resyncing(outOfSyncKib), mesh1: IN_SYNC })
    if (round === 0)
      await until('the pool has the report of the resync', () => pool.present.report()?.state === 'resyncing')
    await sleep(Math.random() * 300)
    await daemon.end('SIGKILL')
    kernel.advanceUptime()
    daemon = start()
    lastStartMs = Date.now()
    await sleep(Math.random() * 300)
  }
  await until('the last agent has pushed its report', () => {
    const report = pool.present.report()
    return report?.state === 'synced' && Date.parse(report.at) > lastStartMs
  })
  await until('both messages are published', () => pool.present.messages().length >= 2)
  await until('the task is done', () => pool.present.tasks().join() === 'success')
  t.strictSame(pool.present.messages(), ['RESYNC_STARTED', 'RESYNC_FINISHED'])
  t.equal(await daemon.end('SIGTERM'), 0)
})
