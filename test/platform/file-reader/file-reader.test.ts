import { execFileSync } from 'node:child_process'
import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t, { type Test } from 'tap'
import { FileReader } from '../../../src/platform/file-reader/file-reader.ts'
import type { ReadStep } from '../../../src/platform/file-reader/reading-process.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'

function readerOf(t: Test, { timeoutMs = 5_000, retryAfterMs = 0 } = {}): FileReader {
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  return new FileReader({ clock: foregroundClock, timeoutMs, retryAfterMs, signal: stop.signal })
}

function makePipe(path: string): string {
  execFileSync('mkfifo', [path])
  return path
}

t.test('files and directories are read one after the other, and failures have an error code', async t => {
  const root = t.testdir({ small: 'raid1\n', empty: '', odd: 'Größe "1"\n\u0000', large: 'x'.repeat(100_001) })
  const steps: ReadStep[] = [
    [join(root, 'small'), 4096],
    [join(root, 'empty'), 4096],
    [join(root, 'odd'), 4096],
    [join(root, 'large'), 100_000],
    [join(root, 'large'), 100_001],
    [join(root, 'nothing'), 4096],
    [root, 4096],
    [root, -1],
    [join(root, 'nothing'), -1],
  ]
  t.same(await readerOf(t).read({ key: 'all', steps }), {
    kind: 'done',
    results: [
      { text: 'raid1\n' },
      { text: '' },
      { text: 'Größe "1"\n\u0000' },
      { code: 'EFBIG' },
      { text: 'x'.repeat(100_001) },
      { code: 'ENOENT' },
      { code: 'EISDIR' },
      { names: ['empty', 'large', 'odd', 'small'] },
      { code: 'ENOENT' },
    ],
  })
})

t.test('a read that hangs is named, does not delay others, and returns at once until it is tried again', async t => {
  const root = t.testdir({ well: 'well' })
  const well: ReadStep = [join(root, 'well'), 100]
  const pipes = ['a', 'b', 'c', 'd', 'e'].map(name => makePipe(join(root, name)))
  const reader = readerOf(t, { timeoutMs: 1_000, retryAfterMs: 3_600_000 })
  const order: string[] = []
  const hanging = pipes.map(async pipe => {
    const reading = await reader.read({ key: pipe, steps: [well, [pipe, 100], well] })
    order.push('hung')
    return reading
  })
  t.same(await reader.read({ key: 'well', steps: [well] }), { kind: 'done', results: [{ text: 'well' }] })
  order.push('well')
  t.same(
    await Promise.all(hanging),
    pipes.map(at => ({ kind: 'hangs', at })),
  )
  t.equal(order[0], 'well')
  const begun = performance.now()
  t.same(await reader.read({ key: pipes[0] ?? '', steps: [well] }), { kind: 'hangs', at: pipes[0] })
  t.ok(performance.now() - begun < 1_000, 'a second read does not wait for it')
  t.ok(await readFile(join(root, 'well')), 'the threads of this process are free')
})

t.test('a file that hung is read again when it no longer hangs', async t => {
  const root = t.testdir({ released: 'clean' })
  const pipe = makePipe(join(root, 'pipe'))
  const reader = readerOf(t, { timeoutMs: 100 })
  t.match(await reader.read({ key: 'array', steps: [[pipe, 100]] }), { kind: 'hangs' })
  renameSync(join(root, 'released'), pipe)
  t.same(await untilDone(() => reader.read({ key: 'array', steps: [[pipe, 100]] })), {
    kind: 'done',
    results: [{ text: 'clean' }],
  })
})

async function untilDone<T extends { kind: string }>(read: () => Promise<T>): Promise<T> {
  for (;;) {
    const reading = await read()
    if (reading.kind === 'done') return reading
    await sleep(5)
  }
}

t.test('after its end no process remains, and nothing is read', async t => {
  const root = t.testdir({ well: 'well' })
  const stop = new AbortController()
  const reader = new FileReader({ clock: foregroundClock, timeoutMs: 60_000, retryAfterMs: 0, signal: stop.signal })
  await reader.read({ key: 'well', steps: [[join(root, 'well'), 100]] })
  const pipe = makePipe(join(root, 'pipe'))
  const hanging = reader.read({ key: 'pipe', steps: [[pipe, 100]] })
  t.ok(children().length > 0)
  stop.abort()
  t.match(await hanging, { kind: 'hangs' })
  t.match(await reader.read({ key: 'well', steps: [[join(root, 'well'), 100]] }), { kind: 'refused' })
  while (children().length > 0) await sleep(10)
})

t.test('a killed process is replaced', async t => {
  const root = t.testdir({ well: 'well' })
  writeFileSync(join(root, 'large'), 'x'.repeat(1000))
  const reader = readerOf(t)
  await reader.read({ key: 'well', steps: [[join(root, 'well'), 100]] })
  for (const pid of children()) process.kill(Number(pid), 'SIGKILL')
  t.same(await reader.read({ key: 'well', steps: [[join(root, 'well'), 100]] }), {
    kind: 'done',
    results: [{ text: 'well' }],
  })
})

function children(): string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, 'utf8')
    .split(' ')
    .filter(pid => {
      try {
        return pid !== '' && readFileSync(`/proc/${pid}/cmdline`, 'utf8').includes('function serveReads')
      } catch {
        return false
      }
    })
}
