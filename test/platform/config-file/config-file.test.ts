import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import t from 'tap'
import { z } from 'zod'
import { describeConfigProblem, parseConfigFile } from '../../../src/platform/config-file/parse-config-file.ts'
import { readConfigFile } from '../../../src/platform/config-file/read-config-file.ts'
import { watchConfigFile } from '../../../src/platform/config-file/watch-config-file.ts'
import { foregroundClock } from '../../../src/platform/time/clock.ts'

const Schema = z.strictObject({
  host: z.string(),
  srs: z.array(z.strictObject({ uuid: z.string(), drbd: z.array(z.string()).default([]) })).default([]),
  args: z.union([z.tuple([]), z.tuple([z.string()], z.string())]).optional(),
  poll: z.strictObject({ everySeconds: z.number().min(1).default(30) }).prefault({}),
})

const problemsOf = (text: string): readonly string[] => {
  const parsed = parseConfigFile(text, 'config.yaml', Schema)
  return parsed.ok ? [] : parsed.problems.map(describeConfigProblem)
}

t.test('YAML and JSON are parsed, with defaults for missing keys', async t => {
  t.strictSame(parseConfigFile('host: a\nsrs:\n  - uuid: s\n    drbd: [x*]\n', 'f', Schema), {
    ok: true,
    config: { host: 'a', srs: [{ uuid: 's', drbd: ['x*'] }], poll: { everySeconds: 30 } },
  })
  t.match(parseConfigFile('{"host": "a"}', 'f', Schema), { ok: true, config: { host: 'a', srs: [] } })
})

const BOMB = `a: &a [x, x, x, x, x, x, x, x, x]
b: &b [*a, *a, *a, *a, *a, *a, *a, *a, *a]
c: &c [*b, *b, *b, *b, *b, *b, *b, *b, *b]
d: &d [*c, *c, *c, *c, *c, *c, *c, *c, *c]
host: a
`

t.test('every problem names the file, the line and the key', async t => {
  const table: [title: string, text: string, expected: readonly (string | RegExp)[]][] = [
    [
      'an unknown key',
      'host: a\nsrs:\n  - uuid: s\n    drdb: []\n',
      ['config.yaml:4: srs[0].drdb: there is no such key'],
    ],
    [
      'two of them',
      'host: a\nx: 1\ny: 2\n',
      ['config.yaml:2: x: there is no such key', 'config.yaml:3: y: there is no such key'],
    ],
    [
      'a value of another type',
      'host: a\npoll:\n  everySeconds: soon\n',
      ['config.yaml:3: poll.everySeconds: must be a number, not text'],
    ],
    [
      'a value out of range',
      'host: a\n\npoll: { everySeconds: 0 }\n',
      ['config.yaml:3: poll.everySeconds: must be at least 1'],
    ],
    [
      'a key that is missing in a list',
      'host: a\nsrs:\n  - uuid: s\n  - drbd: []\n',
      ['config.yaml:4: srs[1].uuid: is required'],
    ],
    ['a key that is missing at the top', 'srs: []\n', ['config.yaml:1: host: is required']],
    ['an empty file', '', [/^config.yaml:1: host: /]],
    ['no map', '- a\n', [/^config.yaml:1: /]],
    ['no YAML', 'host: a\nsrs: [\n', [/^config.yaml:3: /]],
    ['a second document', 'host: a\n---\nhost: b\n', [/^config.yaml:2: .*a second document begins here/]],
    ['the same key twice', 'host: a\nhost: b\n', [/^config.yaml:2: host: .*unique/]],
    [
      'the same key twice in a list',
      'host: a\nsrs:\n  - uuid: a\n    uuid: b\n',
      [/^config.yaml:4: srs\[0\].uuid: .*unique/],
    ],
    ['a quote without its end', 'host: a\npoll:\n  everySeconds: "3\n', [/^config.yaml:4: poll.everySeconds: .*quote/]],
    ['a number as a key', 'host: a\n\n5: x\n', ['config.yaml:3: 5: there is no such key']],
    [
      'a truth as a key',
      'host: a\nsrs:\n  - uuid: a\n    true: x\n',
      ['config.yaml:4: srs[0].true: there is no such key'],
    ],
    [
      'nothing as a key',
      'host: a\npoll:\n  ~: x\n',
      ['config.yaml:3: poll: a key must be one word, or text in quotes'],
    ],
    ['a list as a key', 'host: a\n? [b]\n: x\n', ['config.yaml:2: a key must be one word, or text in quotes']],
    [
      'an alias of nothing',
      'host: a\nsrs:\n  - uuid: s\n    drbd:\n      - *x\n',
      ['config.yaml:5: srs[0].drbd[0]: there is no &x above'],
    ],
    [
      'a value with none of the allowed forms',
      'host: a\nargs:\n  - a\n  - 5\n',
      ['config.yaml:4: args[1]: must be text, not a number'],
    ],
    ['a value of another type than all forms', 'host: a\nargs: a\n', ['config.yaml:2: args: must be a list, not text']],
    ['aliases of aliases that would fill the memory', BOMB, [/^config.yaml:1: .*alias/]],
  ]
  for (const [title, text, expected] of table) {
    const problems = problemsOf(text)
    t.equal(problems.length, expected.length, `${title}: ${problems.join('; ')}`)
    for (const [index, each] of expected.entries()) t.match(problems[index], each, title)
  }
  t.equal(
    problemsOf(Array.from({ length: 100 }, (_, n) => `k${n}: 1`).join('\n')).length,
    20,
    'there is an end to them',
  )
  for (const bracket of ['[', '{a: ', '- ', '? ']) {
    const [problem = ''] = problemsOf(bracket.repeat(50_000))
    t.match(problem, /^config.yaml:1: /)
    t.ok(problem.length < 300)
  }
})

t.test('a text cut anywhere gives problems and never throws', async t => {
  const text = 'host: a\nsrs:\n  - uuid: s\n    drbd: ["x*", &y \'z\', *y]\npoll: {everySeconds: 3}\n'
  for (let end = 0; end <= text.length; end += 1) {
    const parsed = parseConfigFile(text.slice(0, end), 'f', Schema)
    if (!parsed.ok) t.ok(parsed.problems.length > 0)
  }
})

t.test('a missing file, a folder, and a file that is too large', async t => {
  const folder = t.testdir({ dir: {}, large: '#'.repeat(1_048_577) })
  t.match(await readConfigFile(join(folder, 'none'), Schema), {
    ok: false,
    problems: [{ line: 1, text: 'cannot be read: does not exist' }],
  })
  t.match(await readConfigFile(join(folder, 'dir'), Schema), {
    ok: false,
    problems: [{ text: 'cannot be read: is a directory' }],
  })
  t.match(await readConfigFile(join(folder, 'large'), Schema), { ok: false, problems: [{ text: /larger than/ }] })
})

t.test('a file that is not UTF-8 is refused, so no name becomes another one', async t => {
  const content = Buffer.concat([
    Buffer.from('host: "B\u00e4r"\nsrs: []\n# B'),
    Buffer.from([0xe4]),
    Buffer.from('r\n'),
  ])
  const file = join(t.testdir({ 'config.yaml': content }), 'config.yaml')
  t.strictSame(await readConfigFile(file, Schema), {
    ok: false,
    problems: [{ file, line: 3, key: '', text: 'not UTF-8' }],
  })
  writeFileSync(file, content.subarray(0, content.length - 3))
  t.match(await readConfigFile(file, Schema), { ok: true, config: { host: 'B\u00e4r' } })
})

t.test('a file that is written in several steps is read when it is complete', async t => {
  const folder = t.testdir({ 'config.yaml': 'host: a\n' })
  const file = join(folder, 'config.yaml')
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const known = await readConfigFile(file, Schema)
  const changes = watchConfigFile(file, Schema, known, stop.signal, foregroundClock, {
    settleMs: 400,
    rereadEveryMs: 20,
  })
  const next = changes.next()
  writeFileSync(file, 'host: b\nsrs:\n')
  for (let n = 0; n < 20; n += 1) {
    await sleep(50)
    appendFileSync(file, `  - { uuid: s${n} }\n`)
  }
  t.match((await next).value, { ok: true, config: { host: 'b', srs: { length: 20 } } })
  stop.abort()
  t.equal((await changes.next()).value, undefined)
})

t.test('each change of a watched file is reported once, however it was written', async t => {
  const folder = t.testdir({ 'config.yaml': 'host: a\n' })
  const file = join(folder, 'config.yaml')
  const stop = new AbortController()
  t.teardown(() => stop.abort())
  const pace = { settleMs: 5, rereadEveryMs: 20 }
  const known = await readConfigFile(file, Schema)
  writeFileSync(file, 'host: b\n')
  const changes = watchConfigFile(file, Schema, known, stop.signal, foregroundClock, pace)
  const next = async () => (await changes.next()).value
  t.match(await next(), { ok: true, config: { host: 'b' } }, 'changed before the watch started')
  let coming = next()
  writeFileSync(join(folder, 'other'), 'host: z\n')
  writeFileSync(join(folder, 'draft'), 'host: c\n')
  renameSync(join(folder, 'draft'), file)
  t.match(await coming, { ok: true, config: { host: 'c' } }, 'replaced')
  coming = next()
  rmSync(file)
  t.match(await coming, { ok: false, problems: [{ text: 'cannot be read: does not exist' }] }, 'removed')
  coming = next()
  mkdirSync(join(folder, 'sub'))
  writeFileSync(file, 'host: d\n')
  t.match(await coming, { ok: true, config: { host: 'd' } }, 'created again')
  coming = next()
  stop.abort()
  t.equal(await coming, undefined)
})
