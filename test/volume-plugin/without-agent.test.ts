import { spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer as createHttpServer } from 'node:http'
import { createServer } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { VolumePlugin } from '../../src/volume-plugin/volume-plugin.ts'
import { ATTACH, answersOf, CREATE, folderOf, MANIFEST, plugged, SR, SYNCED, URI } from './plugin-under-test.ts'
import { answeringScripts, failure, NO_POOL, type Outcome, pathWith, run, SCRIPTS, start } from './run-script.ts'

const STAT = join(SCRIPTS, 'SR.stat')
const ODD = 'Bär "b" \\n \u{1f512}\n\t%s $HOME `id` \u0000\u007f'
const SHELLS = [['dash'], ['bash'], ['busybox', 'ash'], ['ksh'], ['zsh']].filter(
  ([program = '']) => spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined,
)
/** What SR.stat answers without the agent. */
const answerWith = (text: string | RegExp, name = ODD, description = ODD) => ({
  sr: URI,
  name,
  uuid: SR,
  description,
  total_space: 0,
  free_space: 0,
  datasources: [],
  clustered: true,
  health: ['Recovering', text],
})

/** A host whose agent attached an SR and ended. */
async function left(t: Test) {
  const agent = await answeringScripts(t)
  await agent.call('SR.create', { ...CREATE, name: ODD, description: ODD })
  await agent.call('SR.attach', ATTACH)
  const socket = join(agent.folder, 'none.sock')
  return { ...agent, file: join(agent.files, `${SR}.json`), away: { ...agent.env, RESYNC_MONITOR_SOCKET: socket } }
}

function read(t: Test, { code, stdout, stderr }: Outcome) {
  t.strictSame([code, stderr], [0, ''])
  return JSON.parse(stdout)
}

async function listen(t: Test, plugin: VolumePlugin, path: string) {
  const socket = new AgentSocket({
    clock: machineClock,
    answers: answersOf(new Map()),
    events: new SyncEvents(),
    onBug: bug => t.fail(String(bug)),
    own: { plugin, pool: NO_POOL },
  })
  await socket.listen({ path })
  t.teardown(() => socket.close())
}

async function timed<Result>(call: Promise<Result>) {
  const startedAt = performance.now()
  return [await call, (performance.now() - startedAt) / 1000] as const
}

/** A socket that accepts connections and never answers. */
async function hungAgent(t: Test) {
  const path = join(folderOf(t), 'hung.sock')
  const server = createServer(connection => {
    connection.on('error', () => undefined)
    t.teardown(() => connection.destroy())
  })
  await once(server.listen(path), 'listening')
  t.teardown(() => server.close())
  return path
}

t.test('SR.stat of an attached SR answers Recovering while the agent is killed, hung, starting or broken', async t => {
  const { env, file, away, host } = await left(t)
  t.match(read(t, await run('SR.stat', { sr: URI, dbg: '' }, env)), { health: ['Healthy', ''], name: ODD })
  const notRunning = 'unknown: the resync-monitor agent of this host is not running'
  t.strictSame(read(t, await run('SR.stat', { dbg: '', sr: URI }, away)), answerWith(notRunning), 'killed')
  t.match(read(t, await start([STAT, '--json'], `{ "dbg":"sr",\n\t"sr" : "${URI}" }`, away)), answerWith(notRunning))
  const node = { ...away, PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  t.strictSame(read(t, await run('SR.stat', { sr: URI }, node)), answerWith(notRunning), 'without curl')
  const neither = { ...away, PATH: pathWith(t, {}) }
  t.match(read(t, await run('SR.stat', { sr: URI }, neither)), answerWith(/^unknown: neither a curl/))
  for (const shell of SHELLS) {
    const outcome = await start([...shell, STAT, '--json'], JSON.stringify({ sr: URI }), away)
    t.strictSame(read(t, outcome), answerWith(notRunning), shell.join(' '))
  }

  // A socket file of an agent that was killed: connections are refused.
  const stale = join(folderOf(t), 'stale.sock')
  const program = `require('net').createServer().listen(${JSON.stringify(stale)}, () => process.kill(process.pid, 'SIGKILL'))`
  spawnSync(process.execPath, ['-e', program])
  t.ok(existsSync(stale))
  const refused = read(t, await run('SR.stat', { sr: URI }, { ...away, RESYNC_MONITOR_SOCKET: stale }))
  t.match(refused, answerWith(/^unknown: .*refused the call/), 'starting, or killed')

  const hung = { ...away, RESYNC_MONITOR_SOCKET: await hungAgent(t) }
  const [slow, seconds] = await timed(run('SR.stat', { sr: URI }, hung))
  t.strictSame(
    read(t, slow),
    answerWith('unknown: the resync-monitor agent of this host did not answer within 5 seconds'),
  )
  t.ok(seconds >= 4.9 && seconds < 15, `hung: ${seconds.toFixed(1)} s`)

  const other = join(folderOf(t), 'other.sock')
  const server = createHttpServer((_, response) => response.end('hello'))
  await once(server.listen(other), 'listening')
  t.teardown(() => server.close())
  const stranger = read(t, await run('SR.stat', { sr: URI }, { ...away, RESYNC_MONITOR_SOCKET: other }))
  t.match(stranger, answerWith(/another program answers/))

  host.status = () => {
    throw new Error('a bug')
  }
  t.match(read(t, await run('SR.stat', { sr: URI }, env)), answerWith(/failed \(HTTP status 500\), see its log/))
  t.equal(host.bugs.length, 1)
  t.ok(existsSync(file))
})

t.test('SR.stat of an SR that is not known, or not attached, is still an error', async t => {
  const { away, files, file, call, env } = await left(t)
  const other = URI.replace(/.$/, '9')
  const error = async (sr: unknown, on = away) => failure(t, await run('SR.stat', { sr }, on))
  t.match(await error(other), { code: 'SR_does_not_exist', params: [other.slice(-36)] })
  t.match(await error(URI.toUpperCase()), { code: 'SR_BACKEND_FAILURE', params: ['', /not running/, String] })
  t.match(await error('resync-monitor://../../../etc/passwd'), { code: 'SR_BACKEND_FAILURE' })
  t.match(await error(7), { code: 'SR_BACKEND_FAILURE' })
  const quoted = await run('SR.stat', { dbg: `"sr":"${URI}"`, sr: 'x' }, away)
  t.match(failure(t, quoted), { code: 'SR_BACKEND_FAILURE' }, 'a text that looks like the argument')
  writeFileSync(join(files, `${SR}.detached`), '')
  t.match(await error(URI), { code: 'Sr_not_attached', params: [SR] })
  t.match(await error(URI, env), { code: 'Sr_not_attached', params: [SR] }, 'by the agent')
  t.match(await error(URI), { code: 'Sr_not_attached', params: [SR] }, 'by the record')
  await call('SR.destroy', { sr: URI })
  t.match(await error(URI), { code: 'SR_does_not_exist', params: [SR] })
  t.notOk(existsSync(file))
  rmSync(files, { recursive: true })
  t.match(await error(URI), { code: 'SR_does_not_exist', params: [SR] })
})

t.test('what the last attach left may be cut at any byte or damaged: the answer is well-formed', async t => {
  const { away, file, files } = await left(t)
  const good = readFileSync(file)
  const statOf = async (content: string | Uint8Array, shell: readonly string[] = []) => {
    const state = mkdtempSync(join(files, 'state-'))
    mkdirSync(join(state, 'volume-plugin'))
    writeFileSync(join(state, 'volume-plugin', `${SR}.json`), content)
    const env = { ...away, RESYNC_MONITOR_STATE_DIRECTORY: state }
    return read(t, await start([...shell, STAT, '--json'], JSON.stringify({ sr: URI }), env))
  }
  const check = (answer: unknown, title: string) => {
    const { name, description } = Object(answer)
    if (![ODD, MANIFEST.name].includes(name) || ![ODD, ''].includes(description)) t.fail(title)
    t.match(answer, answerWith(/not running/, name, description), title)
  }
  const texts = good.indexOf('"configuration"')
  // From `texts` on nothing more is read.
  const cuts = Array.from({ length: good.length + 1 }, (_, cut) => cut).filter(cut => cut < texts || cut % 50 === 0)
  for (let first = 0; first < cuts.length; first += 8) {
    const some = cuts.slice(first, first + 8)
    const answers = await Promise.all(some.map(cut => statOf(good.subarray(0, cut))))
    for (const [n, cut] of some.entries()) {
      check(answers[n], `cut at ${cut}`)
      if (cut >= texts) t.equal(answers[n].name, ODD)
    }
  }
  const text = good.toString()
  const named = (name: string) => text.replace(/"name": ".*"/, `"name": ${name}`)
  const wrong: readonly (string | Uint8Array)[] = [
    '',
    '\n'.repeat(1_000_000),
    'x'.repeat(1_000_000),
    '"name": "'.repeat(100_000),
    new Uint8Array(5_000),
    named('"a"b"'),
    named('"a\\"'),
    named('"a\\x"'),
    named('"a\\u12"'),
    named('"B\u00e4r"'),
    named('"a\tb"'),
    named('7'),
    named('"'),
    named(`"${'\\u0041'.repeat(10_000)}"`),
    text.replace('"attached": true', '"attached": maybe'),
    Buffer.from(text.replace('Sentinel', '\u00ff\u00fe'), 'latin1'),
  ]
  for (const shell of SHELLS) {
    for (const [n, content] of wrong.entries()) {
      const [answer, seconds] = await timed(statOf(content, shell))
      check(answer, `${shell.join(' ')}: ${n}`)
      t.ok(seconds < 10, `${seconds.toFixed(1)} s`)
    }
  }
  rmSync(file)
  mkdirSync(file)
  check(read(t, await run('SR.stat', { sr: URI }, away)), 'a folder in place of the file')
})

t.test('SR.detach without the agent succeeds, and the agent learns of it when it is back', async t => {
  const { away, env, files, host, plugin, folder } = await left(t)
  const marker = join(files, `${SR}.detached`)
  t.equal(read(t, await run('SR.detach', { sr: URI, dbg: '' }, away)), null)
  t.ok(existsSync(marker))
  t.equal(read(t, await run('SR.detach', { sr: URI, dbg: '' }, away)), null, 'repeated')

  const again = await plugged(t, join(files, '..'))
  t.strictSame([again.host.problems, existsSync(marker)], [[], false])
  t.match(await again.call('SR.stat', { sr: URI }), { answer: { code: 'Sr_not_attached' } }, 'an agent that starts')

  t.match(await again.call('SR.attach', ATTACH), { status: 200 })
  const hung = { ...away, RESYNC_MONITOR_SOCKET: await hungAgent(t) }
  const [outcome, seconds] = await timed(run('SR.detach', { sr: URI }, hung))
  t.equal(read(t, outcome), null)
  t.ok(seconds >= 4.9 && seconds < 15, `hung: ${seconds.toFixed(1)} s`)
  t.ok(existsSync(marker))
  plugin.tick()
  const deadline = Date.now() + 10_000
  while (existsSync(marker) && Date.now() < deadline) await new Promise(resolve => setTimeout(resolve, 10))
  t.strictSame([existsSync(marker), host.watched], [false, []], 'an agent that answers again')
  t.match(failure(t, await run('SR.stat', { sr: URI }, env)), { code: 'Sr_not_attached' })

  await again.call('SR.attach', ATTACH)
  t.equal(read(t, await run('SR.detach', { sr: URI }, away)), null)
  t.equal(read(t, await run('SR.attach', ATTACH, env)), URI, 'attached again before the agent looked')
  t.match(read(t, await run('SR.stat', { sr: URI }, env)), { uuid: SR })
  t.notOk(existsSync(marker))

  mkdirSync(marker)
  t.equal(read(t, await run('SR.detach', { sr: URI }, away)), null, 'the file cannot be written')
  rmSync(marker, { recursive: true })
  const nowhere = { ...away, RESYNC_MONITOR_STATE_DIRECTORY: join(folder, 'none') }
  for (const shell of [[], ...SHELLS]) {
    const detach = [...shell, join(SCRIPTS, 'SR.detach'), '--json']
    t.equal(read(t, await start(detach, JSON.stringify({ sr: URI }), nowhere)), null, 'no folder')
  }
  t.equal(read(t, await run('SR.detach', { sr: 'something else' }, env)), null)
  t.strictSame(host.bugs, [])
})

t.test('an SR that the disk refuses to detach is detached nevertheless, and written later', async t => {
  const { call, host, plugin, files } = await plugged(t)
  await call('SR.attach', ATTACH)
  mkdirSync(join(files, `${SR}.json.new`))
  t.match(await call('SR.detach', { sr: URI }), { status: 200, answer: null })
  t.strictSame(host.watched, [])
  t.match(host.problems, [/^SR 5c.* is detached, but cannot write /])
  t.match(await call('SR.detach', { sr: URI }), { status: 200 })
  t.equal(host.problems.length, 1)
  rmSync(join(files, `${SR}.json.new`), { recursive: true })
  t.match(await call('SR.stat', { sr: URI }), { answer: { code: 'Sr_not_attached' } })
  t.match(readFileSync(join(files, `${SR}.json`), 'utf8'), /"attached": false/)
  plugin.tick()
  t.strictSame(host.bugs, [])
})

t.test('SR.attach waits for an agent that starts', async t => {
  const { host, plugin } = await plugged(t)
  const path = join(folderOf(t), 'agent.sock')
  const env = { RESYNC_MONITOR_SOCKET: path }
  const node = { ...env, PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  const attaching = [env, node].map(each => run('SR.attach', ATTACH, each))
  // xapi plugs each PBD twice at its start, and both attempts may be under way.
  await new Promise(resolve => setTimeout(resolve, 1_500))
  await listen(t, plugin, path)
  for (const outcome of await Promise.all(attaching)) t.equal(read(t, outcome), URI)
  t.match(host.watched, [{ uuid: SR }])

  const none = { RESYNC_MONITOR_SOCKET: `${path}.none`, RESYNC_MONITOR_TIMEOUT_SECONDS: '2' }
  const [outcome, seconds] = await timed(run('SR.attach', ATTACH, none))
  t.match(failure(t, outcome), { params: ['', /is not running/, String] })
  t.ok(seconds >= 1.9 && seconds < 10, `${seconds.toFixed(1)} s`)
  const hung = { ...none, RESYNC_MONITOR_SOCKET: await hungAgent(t) }
  const [late, lateSeconds] = await timed(run('SR.attach', ATTACH, hung))
  t.match(failure(t, late), { params: ['', /did not answer within 2 seconds/, String] })
  t.ok(lateSeconds < 10)
  const [other, otherSeconds] = await timed(run('SR.ls', { sr: URI }, none))
  t.match(failure(t, other), { params: ['', /is not running/, String] })
  t.ok(otherSeconds < 1.9, 'other calls do not wait')
})

t.test('an SR whose file is damaged or gone while the agent runs keeps its name', async t => {
  const { call, files, host } = await plugged(t)
  await call('SR.create', CREATE)
  await call('SR.attach', ATTACH)
  const file = join(files, `${SR}.json`)
  writeFileSync(file, '{')
  const known = { name: CREATE.name, description: CREATE.description, uuid: SR, clustered: true }
  const stat = async () => (await call('SR.stat', { sr: URI })).answer
  t.match(await stat(), { ...known, health: ['Recovering', /^unknown: .* is damaged/] })
  rmSync(file)
  t.match(await stat(), { ...known, health: ['Recovering', /^unknown: its file is gone; unplug the SR/] })
  t.match(host.watched, [{ uuid: SR }])
  t.match(await call('SR.detach', { sr: URI }), { status: 200 })
  t.match(await stat(), { code: 'SR_does_not_exist' })
  t.strictSame([host.watched, readdirSync(files)], [[], []])
})

t.test('SR.create without a configuration makes a sentinel', async t => {
  const { env, host } = await answeringScripts(t)
  host.statuses.clear()
  const created = read(t, await run('SR.create', { ...CREATE, configuration: {}, dbg: '' }, env))
  t.strictSame(created, { name: CREATE.name, description: CREATE.description, sr_uuid: SR })
  t.equal(read(t, await run('SR.attach', { configuration: created }, env)), URI)
  t.strictSame(host.watched, [{ uuid: SR, sameAs: null, drbd: ['*'], md: [], ignorePeers: [], allowEmpty: true }])
  host.statuses.set(SR, { ...SYNCED, mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 0 } })
  const healthy = { ...answerWith('', CREATE.name, CREATE.description), health: ['Healthy', ''] }
  t.strictSame(read(t, await run('SR.stat', { sr: URI }, env)), healthy)
  t.strictSame(read(t, await run('SR.ls', { sr: URI }, env)), [])
  t.match(failure(t, await run('Volume.create', { sr: URI, name: '', size: 1 }, env)), { code: 'Unimplemented' })

  const other = '5c5c5c5c-0000-4000-8000-000000000009'
  const health = async () => read(t, await run('SR.stat', { sr: URI }, env)).health
  host.statuses.set(other, SYNCED)
  t.strictSame(await health(), ['Healthy', ''])
  host.statuses.set(other, { ...SYNCED, state: 'degraded', mirrors: { ...SYNCED.mirrors, degraded: 1 } })
  t.strictSame(await health(), ['Recovering', `SR ${other} is degraded (1 of 13 mirrors)`])
  t.equal(read(t, await run('Plugin.diagnostics', {}, env)), `${SR}: SR ${other} is degraded (1 of 13 mirrors)\n`)
  host.statuses.delete(other)
  host.pool = { state: 'degraded', sentences: ['host B is away'] }
  t.strictSame(await health(), ['Recovering', 'degraded: host B is away'])
  t.strictSame(host.bugs, [])
})
