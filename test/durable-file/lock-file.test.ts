import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { takeLock } from '../../src/durable-file/index.ts'

const BOOT = '1f5c0c1e-0000-4000-8000-000000000001'

/** A /proc of this process and of others, as proc(5) has it, and a lock below the same folder. */
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

t.test('a lock keeps others out until it is released, and is released once', t => {
  const { path, proc, left } = machine(t)
  const release = takeLock(path, proc)
  t.match(JSON.parse(readFileSync(path, 'utf8')), { pid: process.pid, boot: BOOT, started: '4711' })
  t.throws(() => takeLock(path, proc), {
    name: 'LockHeld',
    pid: process.pid,
    message: `process ${process.pid} holds ${path}`,
  })
  t.strictSame(left(), ['pool.lock'], 'and nothing else is left behind')
  release()
  t.strictSame(left(), [])
  const again = takeLock(path, proc)
  release()
  t.ok(existsSync(path), 'released a second time it does not take another’s away')
  rmSync(path)
  t.doesNotThrow(again, 'removed by hand meanwhile')
  t.end()
})

t.test('a process that runs is left its lock; one that is gone, however that came, is not', t => {
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
  t.ok(taken(), 'nobody has that id')
  runs(others.pid, 800)
  held(others)
  t.notOk(taken(), 'it runs')
  t.notOk(taken(), 'and is still left its lock')
  runs(others.pid, 800, 'R', 'a (strange) name) Z 1')
  t.notOk(taken(), 'whatever its name is')
  runs(others.pid, 800, 'Z')
  t.ok(taken(), 'killed, and its parent has not noticed yet')
  runs(others.pid, 801)
  held(others)
  t.ok(taken(), 'another process has got its id')
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
