import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { takeLock } from '../../../src/platform/durable-file/lock-file.ts'

const BOOT = '1f5c0c1e-0000-4000-8000-000000000001'

/** A /proc like that of proc(5) with this process and others, and a lock below the same folder. */
function machine(t: { teardown(end: () => void): void }) {
  const folder = mkdtempSync(join(tmpdir(), 'lock-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const proc = join(folder, 'proc')
  const path = join(folder, 'pool.lock')
  mkdirSync(join(proc, 'sys/kernel/random'), { recursive: true })
  writeFileSync(join(proc, 'sys/kernel/random/boot_id'), `${BOOT}\n`)
  const runs = (pid: number, started: number, state = 'S', name = 'node') => {
    const zeros = '0 '.repeat(18)
    mkdirSync(join(proc, String(pid)), { recursive: true })
    writeFileSync(join(proc, String(pid), 'stat'), `${pid} (${name}) ${state} ${zeros}${started} 1305776128 10664\n`)
  }
  runs(process.pid, 4711)
  const held = (holder: object | string) =>
    writeFileSync(path, typeof holder === 'string' ? holder : JSON.stringify(holder))
  return { path, proc, runs, held, left: () => readdirSync(folder).filter(name => name !== 'proc') }
}

t.test('a lock excludes others until it is released, and is released once', t => {
  const { path, proc, left } = machine(t)
  const release = takeLock(path, proc)
  t.match(JSON.parse(readFileSync(path, 'utf8')), { pid: process.pid, boot: BOOT, started: '4711' })
  t.throws(() => takeLock(path, proc), {
    name: 'LockHeld',
    holder: `process ${process.pid}`,
    message: `process ${process.pid} holds ${path}`,
  })
  t.match(left(), ['pool.lock', /^pool\.lock\.alive-/], 'and no other file remains')
  release()
  t.strictSame(left(), [])
  const again = takeLock(path, proc)
  release()
  t.ok(existsSync(path), 'a second release does not remove the lock of another process')
  rmSync(path)
  t.doesNotThrow(again, 'the file was removed meanwhile')
  t.end()
})

t.test('a running process keeps its lock; a process that has ended in any way does not', t => {
  const others = { pid: 99_999, boot: BOOT, started: '800' }
  const { path, proc, runs, held, left } = machine(t)
  const taken = () => {
    try {
      takeLock(path, proc)()
      return true
    } catch (error) {
      if (error instanceof Error && error.name === 'LockHeld') return false
      throw error
    }
  }
  held(others)
  t.ok(taken(), 'no process has that id')
  runs(others.pid, 800)
  held(others)
  t.notOk(taken(), 'it runs')
  t.notOk(taken(), 'and keeps its lock')
  runs(others.pid, 800, 'R', 'a (strange) name) Z 1')
  t.notOk(taken(), 'with any name')
  runs(others.pid, 800, 'Z')
  t.ok(taken(), 'killed, and still a zombie')
  runs(others.pid, 801)
  held(others)
  t.ok(taken(), 'another process has its id now')
  runs(others.pid, 800)
  held({ ...others, boot: 'another' })
  t.ok(taken(), 'the same id and the same tick of another boot')
  for (const text of ['', 'hello', 'null', '{}', '{"pid":"1","boot":"b","started":"1"}']) {
    held(text)
    t.ok(taken(), `no lock: ${text}`)
  }
  t.strictSame(left(), [])
  rmSync(join(proc, String(process.pid)), { recursive: true })
  t.throws(taken, { message: /does not show this process/ })
  t.end()
})

t.test('a holder in another container is checked by its FIFO, not by an id that means another process here', t => {
  const { path, proc, runs, held, left } = machine(t)
  mkdirSync(join(proc, 'self/ns'), { recursive: true })
  const inContainer = (number: number) => {
    rmSync(join(proc, 'self/ns/pid'), { force: true })
    symlinkSync(`pid:[${number}]`, join(proc, 'self/ns/pid'))
  }
  inContainer(4_026_531_836)
  const release = takeLock(path, proc)
  const lock = readFileSync(path, 'utf8')
  const [, fifo = ''] = left()

  inContainer(4_026_532_001)
  runs(process.pid, 9_999)
  t.throws(() => takeLock(path, proc), {
    name: 'LockHeld',
    message: /of another container \(pid:\[4026531836\]\) holds/,
  })
  t.strictSame(readFileSync(path, 'utf8'), lock, 'although the process with that id started at another time here')
  t.equal(left().length, 2)

  release()
  held(lock)
  t.throws(() => takeLock(path, proc), { name: 'LockHeld', message: /container/ }, 'a missing FIFO proves nothing')
  const { fifo: _, ...without } = JSON.parse(lock)
  held(without)
  t.throws(() => takeLock(path, proc), {
    name: 'LockHeld',
    message: /which may still run \(if it does not, remove/,
  })
  const { pidNamespace: __, ...earlier } = without
  held(earlier)
  takeLock(path, proc)()
  t.strictSame(left(), [], 'a lock of an earlier version whose process does not exist here')

  // killed: the FIFO exists, and no process has it open
  execFileSync('mkfifo', [join(path, '..', fifo)])
  held(lock)
  const again = takeLock(path, proc)
  t.equal(left().length, 2, 'its FIFO was removed with the lock')
  again()
  held(JSON.stringify({ ...JSON.parse(lock), fifo: '../../etc/passwd', boot: 'another' }))
  t.doesNotThrow(takeLock(path, proc), 'a lock cannot refer to a file outside of its folder')
  t.end()
})
