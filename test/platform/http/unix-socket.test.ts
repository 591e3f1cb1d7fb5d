import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import {
  chmodSync,
  chownSync,
  existsSync,
  linkSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import t from 'tap'
import { HttpServer } from '../../../src/platform/http/http-server.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { client, folderOf, HELLO, serving, statusOf, type Tap, until } from './serving.ts'

const IS_ROOT = process.getuid?.() === 0
const NOBODY = 65_534

t.test('a unix socket with another mode, owner or file refuses connections until it is restored', async t => {
  const { path, problems } = await serving(t, [HELLO])
  t.equal(await statusOf(path), 200)
  chmodSync(path, 0o666)
  t.equal(await statusOf(path), null)
  t.equal(await statusOf(path), null)
  t.match(problems, [/has mode 666 instead of 600/], 'reported once')
  chmodSync(path, 0o600)
  t.equal(await statusOf(path), 200)
  t.match(problems, [/666/, /original owner and mode again/])

  const aside = `${path}.aside`
  renameSync(path, aside)
  t.equal(await statusOf(aside), null)
  t.match(problems.at(-1), /was removed/)
  writeFileSync(path, '')
  t.equal(await statusOf(aside), null, 'another file at its path')
  rmSync(path)
  linkSync(aside, path)
  t.equal(await statusOf(path), 200, 'the same file at its path again')
  if (IS_ROOT) {
    chownSync(path, NOBODY, NOBODY)
    t.equal(await statusOf(path), null)
    t.match(problems.at(-1), /has another owner/)
  }
})

t.test('another user cannot connect', { skip: IS_ROOT ? false : 'only root can be another user' }, async t => {
  const { path } = await serving(t, [HELLO])
  const folder = dirname(dirname(path))
  chmodSync(folder, 0o755)
  const url = 'http://localhost/hello'
  const asNobody = () =>
    new Promise<string>(resolve => {
      const options = { uid: NOBODY, gid: NOBODY, cwd: '/' }
      execFile('curl', ['-q', '-sS', '--unix-socket', path, url], options, (_error, stdout, stderr) => {
        resolve(`${stdout}${stderr}`)
      })
    })
  t.match(await asNobody(), /couldn't connect|could not connect|failed to connect/i)
  chmodSync(path, 0o666)
  t.notMatch(await asNobody(), 'hello', 'not even when the mode of the file allows it')
  t.equal(await statusOf(path), null)
})

async function listenAt(t: Tap, path: string): Promise<HttpServer> {
  const server = new HttpServer({ clock: machineClock, routes: [HELLO], onBug: () => undefined })
  t.teardown(() => server.close())
  await server.listen({ path })
  return server
}

t.test('a file at the path that is no socket is never removed', async t => {
  const folder = folderOf(t)
  const path = join(folder, 's.sock')
  const isRefused = () => t.rejects(listenAt(t, path), { message: `${path} exists and is no socket` })
  writeFileSync(path, 'precious')
  await isRefused()
  t.equal(readFileSync(path, 'utf8'), 'precious')
  rmSync(path)
  symlinkSync('/nowhere', path)
  await isRefused()
  t.equal(readlinkSync(path), '/nowhere')
  rmSync(path)
  mkdirSync(path)
  await isRefused()
  t.strictSame(readdirSync(folder), ['s.sock'])
})

t.test('a socket is replaced only if its process is dead', async t => {
  const folder = folderOf(t)
  const path = join(folder, 's.sock')
  const program = `require('net').createServer().listen({ path: ${JSON.stringify(path)}, backlog: 1 }, () => console.log())`
  const busy = spawn(process.execPath, ['-e', program])
  t.teardown(() => busy.kill('SIGKILL'))
  await once(busy.stdout, 'data')
  busy.kill('SIGSTOP')
  // Until the backlog is full: from then on connecting fails with EAGAIN.
  let refusal: unknown = null
  await until('it refuses to be asked', () => {
    const { socket } = client(t, path)
    socket.once('error', error => {
      refusal = error
    })
    return refusal !== null
  })
  t.match(refusal, { code: 'EAGAIN' })
  await t.rejects(listenAt(t, path), { code: 'EADDRINUSE' })
  busy.kill('SIGKILL')
  await once(busy, 'exit')
  t.ok(existsSync(path))
  await listenAt(t, path)
  t.equal(await statusOf(path), 200)
  t.strictSame(readdirSync(folder), ['s.sock'])
})

t.test('a closed server does not remove the socket of another one', async t => {
  const path = join(folderOf(t), 's.sock')
  const first = await listenAt(t, path)
  t.equal(first.lost(), null)
  chmodSync(path, 0o666)
  t.equal(first.lost(), null, 'clients still find the socket, although they are refused')
  rmSync(path)
  t.equal(first.lost(), `${path} was removed`)
  const second = await listenAt(t, path)
  t.equal(first.lost(), `${path} was replaced`)
  await first.close()
  t.equal(await statusOf(path), 200)
  t.equal(second.lost(), null)
  await second.close()
  t.notOk(existsSync(path))
})

t.test('a server does not listen in a folder where every user may replace its socket', async t => {
  const folder = join(folderOf(t), 'open')
  mkdirSync(folder)
  const path = join(folder, 's.sock')
  const listen = async () => {
    const server = new HttpServer({ clock: machineClock, routes: [HELLO], onBug: () => undefined })
    await server.listen({ path })
    await server.close()
  }
  chmodSync(folder, 0o777)
  await t.rejects(listen(), {
    message: `every user may write in ${folder} and could replace the socket there: remove that permission (chmod o-w)`,
  })
  chmodSync(folder, 0o1777)
  await listen()
  chmodSync(folder, 0o775)
  await listen()
})
