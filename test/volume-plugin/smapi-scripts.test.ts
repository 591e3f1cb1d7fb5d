import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { createServer, type RequestListener } from 'node:http'
import { createServer as createNetServer } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { type PoolAnswers, PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import { ATTACH, answersOf, CREATE, folderOf, MANIFEST, plugged, SR, SYNCED, URI } from './plugin-under-test.ts'
import { answeringScripts, failure, NO_POOL, pathWith, run, SCRIPTS, start, XAPI_PLUGIN } from './run-script.ts'

const GATE = { at: '2026-11-22T16:00:00.000Z', coordinator: null, hosts: [] }

t.test('the scripts, run as the toolstack runs them', async t => {
  const { host, folder, env } = await answeringScripts(t)
  const succeeds = async (method: string, params: unknown) => {
    const { code, stdout } = await run(method, params, env)
    t.equal(code, 0, method)
    return JSON.parse(stdout)
  }

  t.test('each method has a script that prints one document', async t => {
    t.strictSame(await succeeds('Plugin.Query', { dbg: '' }), MANIFEST)
    t.strictSame(await succeeds('SR.probe', { configuration: {}, dbg: '' }), [])
    t.strictSame(await succeeds('SR.create', CREATE), ATTACH.configuration)
    t.equal(await succeeds('SR.attach', ATTACH), URI)
    t.match(await succeeds('SR.stat', { sr: URI, dbg: '' }), { uuid: SR, health: ['Healthy', ''] })
    t.strictSame(await succeeds('SR.ls', { sr: URI, dbg: '' }), [])
    const odd = 'a\\n "b" \u{1f512} %s $HOME\n'
    t.equal(await succeeds('SR.set_name', { new_name: odd, sr: URI, dbg: '' }), null)
    t.equal(await succeeds('SR.set_description', { new_description: odd, sr: URI, dbg: '' }), null)
    t.match(await succeeds('SR.stat', { sr: URI, dbg: '' }), { name: odd, description: odd })
    t.strictSame(await succeeds('Plugin.ls', { dbg: '' }), [URI])
    t.equal(await succeeds('Plugin.diagnostics', { dbg: '' }), `${SR}: Healthy\n`)
    const names = readdirSync(SCRIPTS).filter(name => name.startsWith('Volume.'))
    t.equal(names.length, 19)
    const volumes = await Promise.all(names.map(name => run(name, { sr: URI, key: 'x', dbg: '' }, env)))
    for (const [index, outcome] of volumes.entries()) {
      t.match(failure(t, outcome), { code: 'Unimplemented', params: [names[index]] })
    }
    t.match(failure(t, await run('SR.stat', { sr: 'x', dbg: '' }, env)), { code: 'SR_does_not_exist', params: ['x'] })
    t.match(failure(t, await run('SR.stat', { sr: 'x'.repeat(70_000) }, env)), { params: ['', /too long/, String] })
  })

  t.test('200 concurrent calls are all answered', async t => {
    const calls = Array.from({ length: 200 }, () => run('SR.stat', { sr: URI, dbg: '' }, env))
    const outcomes = await Promise.all(calls)
    t.ok(outcomes.every(({ code, stdout }) => code === 0 && JSON.parse(stdout).uuid === SR))
  })

  t.test('without a suitable curl the script uses Node', async t => {
    const node = { RESYNC_MONITOR_NODE: process.execPath, ...env }
    const oldCurl = '#!/bin/sh\necho "curl: option --unix-socket: is unknown" >&2\nexit 2\n'
    const paths = [pathWith(t, {}), pathWith(t, { curl: oldCurl })]
    for (const PATH of paths) {
      const { code, stdout } = await run('SR.stat', { sr: URI, dbg: '' }, { ...node, PATH })
      t.match([code, JSON.parse(stdout)], [0, { uuid: SR }])
      t.match(failure(t, await run('Volume.stat', {}, { ...node, PATH })), { code: 'Unimplemented' })
      const away = { ...node, PATH, RESYNC_MONITOR_SOCKET: join(folder, 'none') }
      t.match(failure(t, await run('SR.stat', {}, away)), { params: ['', /not running/, String] })
    }
    const neither = { ...env, PATH: pathWith(t, {}) }
    t.match(failure(t, await run('SR.stat', {}, neither)), { params: ['', /neither a curl .* nor node/, String] })
  })
  t.strictSame(host.bugs, [])
})

t.test('no agent, a hung agent, or another program at its socket', async t => {
  const folder = folderOf(t)
  const socketFor = async (name: string, listener: RequestListener) => {
    const path = join(folder, name)
    const server = createServer(listener)
    await once(server.listen(path), 'listening')
    t.teardown(() => {
      server.closeAllConnections()
      server.close()
    })
    return path
  }
  const type = 'application/vnd.resync-monitor.smapi+json'
  const cases: readonly (readonly [path: string, why: RegExp])[] = [
    [join(folder, 'none'), /is not running/],
    [await socketFor('hung', () => undefined), /did not answer within 0.5 seconds/],
    [
      await socketFor('html', (_, response) => response.end('<h1>hello</h1>')),
      /another program answers .*\(HTTP status 200\)/,
    ],
    [
      await socketFor('lost', (_, response) => response.writeHead(404).end()),
      /another program answers .*\(HTTP status 404\)/,
    ],
    [
      await socketFor('half', (_, response) => {
        response.writeHead(200, { 'content-type': type, 'content-length': 100 }).write('{"uuid":')
        setImmediate(() => response.destroy())
      }),
      /could not be asked|refused the call/,
    ],
  ]
  const raw = createNetServer(connection => connection.on('error', () => undefined).end('what?\n'))
  await once(raw.listen(join(folder, 'raw')), 'listening')
  t.teardown(() => raw.close())
  const curls = [{}, { PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }]
  await Promise.all(
    [...cases, [join(folder, 'raw'), /could not be asked/] as const].flatMap(([path, why]) =>
      curls.map(async curl => {
        const timeout = path.endsWith('hung') ? '0.5' : '20'
        const env = { RESYNC_MONITOR_SOCKET: path, RESYNC_MONITOR_TIMEOUT_SECONDS: timeout, ...curl }
        const answer = failure(t, await run('SR.ls', { sr: URI }, env))
        t.match(answer, { code: 'SR_BACKEND_FAILURE', params: ['', why, String] })
      }),
    ),
  )
  t.match(failure(t, await run('smapi-call', {}, {})), { params: ['', /named for a method/, String] })
})

t.test('the XenAPI plugin, run as xapi runs it', async t => {
  const path = join(folderOf(t), 'agent.sock')
  const odd: Report = {
    ...SYNCED,
    schema: 1,
    host: '<&>',
    sr: SR,
    bootId: '',
    seq: 1,
    at: '',
    since: '',
  }
  const answers = answersOf(new Map([[SR, odd]]))
  const { plugin } = await plugged(t)
  const asked: unknown[] = []
  const pool: PoolAnswers = {
    ...NO_POOL,
    gate: async () => GATE,
    canReboot: async hosts => {
      asked.push(hosts)
      if (hosts.includes('nobody')) throw new PoolRefusal('invalid', 'no host of the pool is called nobody')
      return { canReboot: true, hosts: [], error: null, reasons: [] }
    },
  }
  const onBug = (bug: unknown) => t.fail(String(bug))
  const socket = new AgentSocket({
    clock: machineClock,
    answers,
    events: new SyncEvents(),
    onBug,
    own: { plugin, pool },
  })
  await socket.listen({ path })
  t.teardown(() => socket.close())
  const env = { RESYNC_MONITOR_SOCKET: path, RESYNC_MONITOR_CLIENT: join(SCRIPTS, 'client.mjs') }
  const withoutCurl = { ...env, PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  // As OCaml's Xmlrpc prints it, and as Python's does.
  const callOf = (name: string, ...members: readonly string[]) =>
    `<?xml version="1.0"?><methodCall><methodName>${name}</methodName><params><param><value>OpaqueRef:1</value></param>` +
    `<param><value><struct>${members.join('')}</struct></value></param></params></methodCall>`
  const ocaml = (sr: string) => `<member><name>sr</name><value>${sr}</value></member>`
  const python = (sr: string) => `<member>\n<name>sr</name>\n<value><string>${sr}</string></value>\n</member>`
  const call = async (xml: string, environment: Readonly<Record<string, string>> = env) => {
    const { code, stdout } = await start([XAPI_PLUGIN, xml], '', environment)
    t.equal(code, 0)
    return stdout
  }
  const succeeded = (value: string) =>
    '<?xml version="1.0"?><methodResponse><params><param><value><struct><member><name>Status</name><value>Success</value>' +
    `</member><member><name>Value</name><value>${value}</value></member></struct></value></param></params></methodResponse>\n`
  const report = succeeded(JSON.stringify(odd).replace('<&>', '&lt;&amp;&gt;'))
  t.equal(await call(callOf('report', ocaml(SR))), report)
  t.equal(await call(callOf('report', '<member><name>x</name><value/></member>', python(SR)), withoutCurl), report)
  t.equal(await call(callOf('status')), succeeded(JSON.stringify([{ sr: SR, state: 'synced' }])))
  const failed = async (xml: string, why: RegExp, environment?: Readonly<Record<string, string>>) => {
    const answer = await call(xml, environment)
    t.match(answer, /<value>Failure<\/value>.*<value>XENAPI_PLUGIN_FAILURE<\/value>/)
    t.match(answer, why)
  }
  t.equal(await call(callOf('gate')), succeeded(JSON.stringify(GATE)))
  const hosts = (text: string) => `<member><name>hosts</name><value>${text}</value></member>`
  for (const text of ['hostA, R&amp;D', '["hostA","R&amp;D"]']) {
    t.match(await call(callOf('can-reboot', hosts(text))), /<value>Success<.*"canReboot":true/)
  }
  t.strictSame(asked, [
    ['hostA', 'R&D'],
    ['hostA', 'R&D'],
  ])
  await failed(callOf('can-reboot'), /InvalidArgument/)
  await failed(callOf('can-reboot', hosts('nobody')), /InvalidArgument.*no host of the pool is called nobody/)
  const asAgent = '<member><name>asked_by_agent</name><value>true</value></member>'
  await failed(callOf('gate', asAgent), /NoGate/)
  await failed(callOf('can-reboot', hosts('hostA'), asAgent), /NoGate/)
  await failed(callOf('report', ocaml('5c5c5c5c-0000-4000-8000-000000000002')), /NotWatched/)
  await failed(callOf('report'), /InvalidArgument/)
  await failed(callOf('reboot'), /UnknownFunction/)
  await failed('', /UnknownFunction/)
  await failed(callOf('status'), /is not running/, { RESYNC_MONITOR_SOCKET: `${path}.none` })
  await failed(callOf('status'), /is not running/, { ...withoutCurl, RESYNC_MONITOR_SOCKET: `${path}.none` })
})
