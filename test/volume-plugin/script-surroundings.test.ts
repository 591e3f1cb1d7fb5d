import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, linkSync, symlinkSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { folderOf, SR, URI } from './plugin-under-test.ts'
import { answeringScripts, failure, pathWith, run, SCRIPTS, start, XAPI_PLUGIN } from './run-script.ts'

const SCRIPT = join(SCRIPTS, 'Plugin.ls')
const CALL = '<methodCall><methodName>status</methodName></methodCall>'

/** Runs a script as xapi's observer does (xen-api, python3/packages/observer.py). */
const OBSERVER = 'import runpy, sys; sys.argv = sys.argv[1:]; runpy.run_path(sys.argv[0], run_name="__main__")'
/** The shells that may run the scripts: `/bin/sh` differs between systems. */
const SHELLS: readonly (readonly string[])[] = [
  ['dash'],
  ['bash'],
  ['bash', '--posix'],
  ['busybox', 'ash'],
  ['ksh'],
  ['zsh'],
]
const isThere = (program: string) => spawnSync(program, ['--help'], { stdio: 'ignore' }).error === undefined

t.test('the script runs under Python (the observer) and under any shell', async t => {
  const { env, host } = await answeringScripts(t)
  const python = ['python3', '-W', 'error', '-c', OBSERVER]
  const runners = [python, ...SHELLS].filter(([program = '']) => isThere(program))
  t.ok(runners.length > 1)
  const missing = [python, ...SHELLS].filter(runner => !runners.includes(runner))
  t.comment(`not here: ${missing.map(runner => runner.slice(0, 2).join(' ')).join(', ')}`)
  const stat = join(SCRIPTS, 'SR.stat')
  const outputOf = (runner: readonly string[], file: string, input: string | null, more = {}) =>
    start([...runner, file, '--json'], input, { ...env, ...more })
  for (const runner of runners) {
    const title = runner.slice(0, 2).join(' ')
    t.strictSame(await outputOf(runner, SCRIPT, '{}'), { code: 0, stdout: '[]\n', stderr: '' }, title)
    const unknown = await outputOf(runner, stat, JSON.stringify({ sr: URI }))
    t.equal(unknown.stderr, '')
    t.match(failure(t, unknown), { code: 'SR_does_not_exist', params: [SR] }, title)
    const away = await outputOf(runner, stat, '{}', { RESYNC_MONITOR_SOCKET: '/none' })
    t.match(failure(t, away), { params: ['', /not running/, String] }, title)
    const late = await outputOf(runner, stat, null, { RESYNC_MONITOR_TIMEOUT_SECONDS: '0.1' })
    t.match(failure(t, late), { params: ['', /did not end/, String] }, title)
    const plugin = runner === python ? [XAPI_PLUGIN] : [...runner, XAPI_PLUGIN]
    t.match(await start([...plugin, CALL], '', env), { code: 0, stdout: /<value>Success</, stderr: '' }, title)
  }
  const node = { PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  const where = spawnSync('python3', ['-c', 'import sys; print(sys.executable)'], { encoding: 'utf8' }).stdout?.trim()
  if (where) {
    const byNode = await outputOf([where, '-c', OBSERVER], SCRIPT, '{}', node)
    t.match(byNode, { code: 0, stdout: '[]\n' }, 'Python, then Node')
  }
  t.strictSame(host.bugs, [])
})

t.test('the scripts work with any environment and with blanks in a path', async t => {
  const { env, folder } = await answeringScripts(t)
  const home = folderOf(t)
  writeFileSync(join(home, '.curlrc'), 'proxy = "http://127.0.0.1:1"\nmax-time = 0.001\noutput = "/dev/null"\n')
  const proxies = ['http_proxy', 'HTTP_PROXY', 'all_proxy', 'ALL_PROXY'].map(name => [name, 'http://127.0.0.1:1'])
  const hostile = {
    ...Object.fromEntries(proxies),
    HOME: home,
    CURL_HOME: home,
    XDG_CONFIG_HOME: home,
    IFS: '/.- 0123456789abc',
    LC_ALL: 'tr_TR.UTF-8',
    LANG: 'xx_XX',
    CDPATH: '/:/tmp',
    POSIXLY_CORRECT: '1',
    ENV: '/nonexistent',
    GREP_OPTIONS: '--nonsense',
    // What the script calls its own.
    ...Object.fromEntries(['method', 'socket', 'timeout', 'client', 'answer', 'limit'].map(name => [name, 'odd one'])),
  }
  const copy = join(folder, 'storage scripts', 'a plugin')
  cpSync(SCRIPTS, copy, { recursive: true, verbatimSymlinks: true })
  const linked = join(folder, 'a socket')
  linkSync(env.RESYNC_MONITOR_SOCKET, linked)
  const files = [SCRIPT, join(copy, 'Plugin.ls')]
  const clients = [{}, { PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }]
  for (const file of files) {
    for (const client of clients) {
      const all = { ...hostile, RESYNC_MONITOR_SOCKET: linked, ...client }
      t.match(await start([file, '--json'], '{}', all), { code: 0, stdout: '[]\n' }, file)
    }
    t.match(await start(['bash', file, '--json'], '{}', { ...hostile, ...env }), { code: 0, stdout: '[]\n' })
    const bare = ['/usr/bin/env', '-i', `RESYNC_MONITOR_SOCKET=${linked}`, file, '--json']
    t.match(await start(bare, '{}', {}), { code: 0, stdout: '[]\n' }, 'nothing but where to look')
  }
  t.match(await start([XAPI_PLUGIN, CALL], '', { ...hostile, ...env }), { code: 0, stdout: /<value>Success</ })
})

t.test('stdin may be closed, empty or endless', async t => {
  const { env, host } = await answeringScripts(t)
  const node = { ...env, PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  const noArguments = {
    code: 'SR_BACKEND_FAILURE',
    params: ['', /the arguments of a call must be one JSON object/, ''],
  }
  for (const client of [env, node]) {
    t.match(failure(t, await start([SCRIPT, '--json'], '', client)), noArguments)
    t.match(failure(t, await start(['/bin/sh', '-c', '"$0" --json <&-', SCRIPT], '', client)), noArguments, 'closed')
    const late = { ...client, RESYNC_MONITOR_TIMEOUT_SECONDS: '0.3' }
    t.match(failure(t, await start([SCRIPT, '--json'], null, late)), { params: ['', /within 0.3 seconds/, String] })
    const closed = await start(['/bin/sh', '-c', '"$0" "$1" <&-', XAPI_PLUGIN, CALL], '', {
      RESYNC_MONITOR_CLIENT: join(SCRIPTS, 'client.mjs'),
      ...client,
    })
    t.match(closed, { code: 0, stdout: /<value>Success</ }, 'the XenAPI plugin reads no stdin')
  }
  t.strictSame(host.bugs, [])
})

t.test('the timeout must be a positive number', async t => {
  const { env } = await answeringScripts(t)
  const withLimit = (seconds: string) => ({ ...env, RESYNC_MONITOR_TIMEOUT_SECONDS: seconds })
  const node = { PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  for (const wrong of ['0', '0.0', '0.0001', '.', '.5', '5.', '1.2.3', '"1"', '-1', '1e3', ' 1', '1s', '08', 'x']) {
    const why = /RESYNC_MONITOR_TIMEOUT_SECONDS must be a positive number/
    t.match(failure(t, await run('Plugin.ls', {}, withLimit(wrong))), { params: ['', why, String] }, wrong)
    t.match(await start([XAPI_PLUGIN, CALL], '', withLimit(wrong)), { code: 0, stdout: why }, wrong)
  }
  for (const right of ['20', '20.125', '0.999', '86401', '99999999999999999999999', '']) {
    t.match(await run('Plugin.ls', {}, withLimit(right)), { code: 0 }, right)
    t.match(await run('Plugin.ls', {}, { ...withLimit(right), ...node }), { code: 0 }, `${right} for node`)
    t.match(await start([XAPI_PLUGIN, CALL], '', withLimit(right)), { stdout: /<value>Success</ }, right)
  }
  t.match(failure(t, await run('SR.stat', { sr: URI }, env)), { params: [SR] })
})

t.test('Node asks only if curl cannot, because the arguments can be read once', async t => {
  const { env, folder } = await answeringScripts(t)
  const node = { ...env, RESYNC_MONITOR_NODE: process.execPath }
  const curl = (version: string, ...rest: readonly string[]) =>
    ['#!/bin/sh', `[ "$1" = -V ] && echo "Features: ${version}" && exit`, ...rest, ''].join('\n')
  const failsToBegin = pathWith(t, { curl: curl('IPv6 UnixSockets', 'read -r x', 'exit 2') })
  const why = /could not be asked \(curl exit code 2\)/
  t.match(failure(t, await run('Plugin.ls', {}, { ...node, PATH: failsToBegin })), { params: ['', why, String] })
  const hasRead = pathWith(t, { curl: curl('IPv6 UnixSockets', 'read -r x', 'exit 4') })
  t.match(failure(t, await run('Plugin.ls', {}, { ...node, PATH: hasRead })), {
    params: ['', /could not be asked \(curl exit code 4\)/, String],
  })
  const cannot = pathWith(t, { curl: curl('IPv6', 'exit 2') })
  t.match(await run('Plugin.ls', {}, { ...node, PATH: cannot }), { code: 0, stdout: '[]\n' })
  const broken = {
    ...env,
    PATH: cannot,
    RESYNC_MONITOR_NODE: join(pathWith(t, { node: '#!/bin/sh\nexit 9\n' }), 'node'),
  }
  const byNode = /could not be asked \(node exit code 9\)/
  t.match(failure(t, await run('Plugin.ls', {}, broken)), { params: ['', byNode, String] })
  t.match(await start([XAPI_PLUGIN, CALL], '', { ...broken, RESYNC_MONITOR_CLIENT: '/dev/null' }), {
    stdout: /client\.mjs of the volume plugin is not installed/,
  })
  t.match(await start([XAPI_PLUGIN, CALL], '', { ...broken, RESYNC_MONITOR_CLIENT: join(SCRIPTS, 'client.mjs') }), {
    stdout: byNode,
  })

  const elsewhere = join(folder, 'Plugin.ls')
  symlinkSync(join(SCRIPTS, 'smapi-call'), elsewhere)
  t.match(await start([elsewhere, '--json'], '{}', env), { code: 0, stdout: '[]\n' })
  t.match(failure(t, await start([elsewhere, '--json'], '{}', { ...node, PATH: cannot })), {
    params: ['', /client\.mjs is not in the folder of this script: link the folder, not its files/, String],
  })
})

t.test('arguments that are too long are an error that says so, with curl and with Node', async t => {
  const { env, host } = await answeringScripts(t)
  const node = { ...env, PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  for (const client of [env, node]) {
    for (const length of [70_000, 300_000, 1_048_576, 8_000_000]) {
      const error = failure(t, await run('SR.stat', { sr: 'x'.repeat(length) }, client))
      t.match(error, { params: ['', 'the arguments of the call are too long', String] }, `${length}`)
    }
  }
  t.strictSame(host.bugs, [])
})

t.test('an agent that refuses calls, and an agent that never answers', async t => {
  const { env, folder, host } = await answeringScripts(t)
  const node = { PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  const idle = Array.from({ length: 512 }, () => connect(env.RESYNC_MONITOR_SOCKET).on('error', () => undefined))
  t.teardown(() => idle.map(each => each.destroy()))
  await Promise.all(idle.map(each => once(each, 'connect')))
  const why = { params: ['', /refused the call: it has too many connections/, String] }
  for (const client of [env, { ...env, ...node }]) {
    const refused = await Promise.all(Array.from({ length: 10 }, () => run('Plugin.ls', {}, client)))
    for (const outcome of refused) t.match(failure(t, outcome), why)
    t.match(await start([XAPI_PLUGIN, CALL], '', { RESYNC_MONITOR_CLIENT: join(SCRIPTS, 'client.mjs'), ...client }), {
      stdout: /AgentUnreachable.*refused the call/,
    })
  }
  for (const each of idle) each.destroy()
  const deadline = Date.now() + 30_000
  while ((await run('Plugin.ls', {}, env)).code !== 0 && Date.now() < deadline);
  t.match(await run('Plugin.ls', {}, env), { code: 0 })

  const full = join(folder, 'full.sock')
  const program = `require('net').createServer().listen({ path: ${JSON.stringify(full)}, backlog: 1 }, () => console.log())`
  const stopped = spawn(process.execPath, ['-e', program])
  t.teardown(() => stopped.kill('SIGKILL'))
  await once(stopped.stdout, 'data')
  stopped.kill('SIGSTOP')
  let isFull = false
  while (!isFull) {
    const waiting = connect(full)
    t.teardown(() => waiting.destroy())
    isFull = await new Promise(resolve =>
      waiting.once('connect', () => resolve(false)).once('error', () => resolve(true)),
    )
  }
  for (const client of [{}, node]) {
    const outcome = await run('Plugin.ls', {}, { RESYNC_MONITOR_SOCKET: full, ...client })
    t.match(failure(t, outcome), why)
  }
  t.strictSame(host.bugs, [])
})

t.test('arguments that are not UTF-8 are an error that says so', async t => {
  const { env } = await answeringScripts(t)
  const script = `printf '{"sr":"B\\344r"}' | "$0" --json`
  const outcome = await start(['/bin/sh', '-c', script, join(SCRIPTS, 'SR.stat')], '', env)
  t.match(failure(t, outcome), { params: ['', 'the arguments of the call are not UTF-8', ''] })
})
