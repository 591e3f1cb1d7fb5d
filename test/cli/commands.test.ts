import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { COMMANDS } from '../../src/cli/commands.ts'
import { UsageError } from '../../src/cli/terminal.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const PROGRAM = join(ROOT, 'bin/resync-monitor.js')
const SCENARIO = join(ROOT, 'scenarios/reboot-and-resync')
const EXAMPLES = resolve(ROOT, '../shared/examples/xapi-valid-operations.jsonl')

/** Runs the program as a user does. */
function run(args: readonly string[], input = '') {
  return execa(process.execPath, [PROGRAM, ...args], { input, reject: false, timeout: 60_000 })
}

const lines = (text: string) => text.split('\n').map(line => JSON.parse(line))

t.test('no command, an unknown command, help and the version', async t => {
  const nothing = await run([])
  t.match(nothing, { exitCode: 64, stderr: /usage: resync-monitor COMMAND/ })
  t.match(await run(['--help']), { exitCode: 0, stdout: /inspect/ })
  t.match(await run(['inspekt']), {
    exitCode: 64,
    stderr:
      /there is no command 'inspekt'; did you mean inspect\?\nvalid: status, watch, .*\nsee `resync-monitor help`$/,
  })
  t.match(await run(['--version']), { exitCode: 0, stdout: /^resync-monitor \d+\.\d+\.\d+$/ })
  t.match(await run(['help', 'demo']), { exitCode: 0, stdout: /usage: resync-monitor demo/ })
  t.match(await run(['help', 'demmo']), { exitCode: 64, stderr: /did you mean demo/ })
  for (const command of ['inspect', 'what-if', 'demo']) {
    t.match(await run([command, '--help']), { exitCode: 0, stdout: new RegExp(`usage: resync-monitor ${command}`) })
  }
})

t.test('an error names the bad option', async t => {
  const table: [[string, ...string[]], RegExp][] = [
    [['inspect', 'x'], /--format is missing; valid: drbd-events2/],
    [['inspect', '--format', 'nonsense', 'x'], /--format must be one of drbd-events2, .* not 'nonsense'/],
    [['inspect', '--format', 'mdstat'], /PATH is missing/],
    [['inspect', '--format', 'mdstat', 'a', 'b'], /'b' is not expected/],
    [['inspect', '--format', 'mdstat', '--mdstat', 'x', 'y'], /--mdstat needs/],
    [['inspect', '--format', 'mdstat', '--transitions', 'y'], /--transitions needs/],
    [['inspect', '--format', 'md-sysfs', '-'], /md-sysfs reads a directory/],
    [['inspect', '--wrong', 'x'], /--wrong/],
    [['what-if'], /PATH is missing/],
    [['what-if', '-', 'b'], /'b' is not expected/],
    [['what-if', '--rules', 'mine', '-'], /--rules must be one of project, stock/],
    [['what-if', '--now', 'later', '-'], /--now must be an ISO 8601 time/],
    [['demo', '--speed', 'fast'], /--speed must be a number/],
    [['demo', '--port', '70000'], /--port must be a number/],
    [['demo', '--exit'], /--exit needs a --scenario/],
    [['demo', 'please'], /'please' is not expected/],
    [['agent', 'please'], /'please' is not expected/],
    [['agent', '--state', 'x'], /--state/],
    [['updater', '--config'], /--config/],
  ]
  const { stdin, stdout, stderr } = process
  for (const [[name, ...args], message] of table) {
    const command = await COMMANDS.find(each => each.name === name)?.load()
    await t.rejects(
      async () => command?.run(args, { stdin, stdout, stderr }),
      { constructor: UsageError, message },
      args.join(' '),
    )
  }
  t.match(await run(['inspect', 'x']), {
    exitCode: 64,
    stderr: /^resync-monitor inspect: --format is missing; .*\nsee `resync-monitor help inspect`$/,
  })
})

t.test('inspect: the state after the last line of a stream, and its transitions', async t => {
  const stream = join(SCENARIO, 'charlie.events2.txt')
  const end = await run(['inspect', '--format', 'drbd-events2', '--json', stream])
  t.equal(end.exitCode, 0)
  const document = JSON.parse(end.stdout)
  t.match(document, { schema: 1, format: 'drbd-events2', problems: [] })
  t.same(
    document.devices.map((device: { mirror: string; state: string }) => [device.mirror, device.state]),
    [
      ['client/0', 'synced'],
      ['mesh0/0', 'synced'],
      ['mesh1/0', 'synced'],
      ['mesh1/1', 'synced'],
    ],
  )
  t.same(Object.keys(document.devices[0]).sort(), [
    'activity',
    'backend',
    'doneBytes',
    'etaSeconds',
    'mirror',
    'outOfSyncBytes',
    'progress',
    'reasons',
    'replicas',
    'state',
    'totalBytes',
  ])
  const { stdout } = await run(['inspect', '--format', 'drbd-events2', '--transitions', stream])
  const kinds = lines(stdout)
    .filter(line => line.mirror === 'mesh0/0')
    .map(line => line.transition)
  t.same(kinds, ['degraded', 'resync-started', 'resync-finished'])
  t.match(lines(stdout)[0], { schema: 1, at: /^2026-11-22T16:21:1/, from: null, to: 'degraded' })
})

t.test('inspect reads standard input and prints a table', async t => {
  const whole = readFileSync(join(SCENARIO, 'charlie.events2.txt'), 'utf8')
  const cut = whole.slice(0, whole.indexOf('\n', whole.indexOf('done:25.25')) + 1)
  const { stdout, exitCode } = await run(['inspect', '--format', 'drbd-events2', '-'], cut)
  t.equal(exitCode, 0)
  t.match(stdout, /mesh0\/0\s+resyncing\s+resync\s+\d+\.\d %\n/)
  t.match(stdout, /^ {4}mesh0\/0 is copying data from bravo, 25\.2 % done \(clears by itself\)$/m)
  t.match(await run(['inspect', '--format', 'drbd-events2', '-'], 'exists -\n'), { exitCode: 0, stdout: 'No mirrors.' })
})

t.test('inspect: a directory with the layout of /sys/block, with its mdstat', async t => {
  const root = t.testdir({ mdstat: '' })
  const md = join(root, 'sys/md0/md')
  mkdirSync(md, { recursive: true })
  const files = {
    level: 'raid1',
    raid_disks: '2',
    array_state: 'clean',
    degraded: '0',
    sync_action: 'check',
    resync_start: 'none',
  }
  for (const [name, value] of Object.entries(files)) writeFileSync(join(md, name), `${value}\n`)
  writeFileSync(
    join(root, 'mdstat'),
    'Personalities : [raid1] \nmd0 : active raid1 sdb[1] sda[0]\n      64512 blocks super 1.2 [2/2] [UU]\n      \tresync=DELAYED\n      \nunused devices: <none>\n',
  )
  const { stdout } = await run([
    'inspect',
    '--format',
    'md-sysfs',
    '--json',
    '--mdstat',
    join(root, 'mdstat'),
    join(root, 'sys'),
  ])
  t.match(JSON.parse(stdout), { devices: [{ mirror: 'md0', backend: 'md', state: 'synced', activity: 'check' }] })
})

t.test('input that cannot be parsed exits with 65, a file that cannot be read with 66', async t => {
  for (const format of ['drbd-events2', 'drbd-status-json', 'proc-drbd', 'mdstat']) {
    const garbage = await run(['inspect', '--format', format, '--json', '-'], 'Segmentation fault\n')
    t.match(garbage, { exitCode: 65 }, format)
    t.ok(JSON.parse(garbage.stdout).problems.length > 0)
    const nothing = await run(['inspect', '--format', format, '-'], '')
    t.match(nothing, { exitCode: 65, stdout: /could not be parsed/ }, `${format}, empty`)
  }
  for (const command of [['inspect', '--format', 'mdstat'], ['what-if']]) {
    t.match(await run([...command, join(ROOT, 'no-such-file')]), { exitCode: 66, stderr: /does not exist/ })
  }
})

t.test(
  'inspect: a device that may be missing exits with 65; an unknown device is printed and exits with 0',
  async t => {
    const inSync = 'r0 role:Primary\n  disk:UpToDate\n  b role:Secondary\n    peer-disk:UpToDate\n\n'
    const hidden = await run(['inspect', '--format', 'drbd-status-text', '-'], `${inSync}r1 roXe Primary\n`)
    t.match(hidden, { exitCode: 65, stdout: /r0\/0 +synced\nproblem bad-line: line 6: .*\nThere may be more devices/ })
    const json =
      '[{"name":"r0","connections":[],"devices":[{"volume":0,"disk-state":"UpToDate"},{"disk-state":"Failed"}]}]'
    t.match(await run(['inspect', '--format', 'drbd-status-json', '-'], json), {
      exitCode: 65,
      stdout: /r0\/0 +unknown\n(?: .*\n)+problem word-missing: \[0\]\.devices\[1\]: A volume without its number/,
    })
    const events = (second: string) =>
      [
        'exists resource name:r0 role:Primary suspended:no',
        'exists device name:r0 volume:0 minor:0 disk:UpToDate',
        `exists resource ${second} role:Primary suspended:no`,
        'exists device name:r1 volume:0 minor:1 disk:Failed',
        'exists -\n',
      ].join('\n')
    t.match(await run(['inspect', '--format', 'drbd-events2', '-'], events('nime:r1')), {
      exitCode: 65,
      stdout: /r0\/0 .*\n(?: .*\n)*problem bad-line: line 3: .*\n(?:problem .*\n)*There may be more/,
    })
    t.match(await run(['inspect', '--format', 'drbd-events2', '-'], events('name:r1')), {
      exitCode: 0,
      stdout: /r1\/0 +degraded/,
    })
    const twice = await run(['inspect', '--format', 'drbd-status-text', '-'], `${inSync}${inSync}`)
    t.match(twice, { exitCode: 0, stdout: /r0\/0 +unknown/ })
  },
)

t.test('what-if answers each line; a bad line does not affect others', async t => {
  const pool = {
    id: 'mine',
    hosts: [
      { ref: 'h1', enabled: false, live: true },
      { ref: 'h2', enabled: false, live: false },
    ],
    srs: [{ ref: 'sr', clustered: true }],
    pbds: [
      { ref: 'p1', host: 'h1', sr: 'sr', currently_attached: true },
      { ref: 'p2', host: 'h2', sr: 'sr', currently_attached: false },
    ],
    tasks: [],
  }
  const input = ['{', '{"id":7}', '', JSON.stringify(pool)].join('\r\n')
  const answers = lines((await run(['what-if', '--now', '2026-11-22T16:00:00Z', '-'], input)).stdout)
  t.match(answers, [
    { id: null, bad_input: /JSON/ },
    { id: 7, bad_input: String },
    {
      id: 'mine',
      errors: { h1: { reboot: ['CLUSTERED_SR_DEGRADED', 'sr'], vm_start: null } },
      reasons: {
        h1: {
          reboot: [
            { code: 'no-report', host: 'h1' },
            { code: 'host-not-live', host: 'h2' },
          ],
        },
      },
    },
  ])
  t.notOk(answers[2].allowed_operations.h1.includes('reboot'))
  const [stock] = lines((await run(['what-if', '--rules', 'stock', '-'], JSON.stringify(pool))).stdout)
  t.ok(stock.allowed_operations.h1.includes('reboot'), 'an unmodified xapi allows it: its host-down rule is dead code')
})

t.test('what-if --rules stock agrees with every recorded example', async t => {
  if (!existsSync(EXAMPLES)) return t.comment('the recorded examples are not here: skipped')
  const examples = lines(readFileSync(EXAMPLES, 'utf8').trim())
  const input = examples.map(({ input }) => JSON.stringify(input)).join('\n')
  const answers = lines((await run(['what-if', '--rules', 'stock', '-'], input)).stdout)
  t.equal(answers.length, examples.length)
})

t.test('the scenario reboot-and-resync ends as expected and prints every change', async t => {
  const { stdout, stderr, exitCode } = await run(['demo', '--scenario', 'reboot-and-resync', '--json', '--exit'])
  t.equal(exitCode, 0, stdout)
  t.equal(stderr, '')
  const printed = lines(stdout)
  const hostC = printed.filter(({ host }) => host === 'hostC')
  t.ok(hostC.some(({ transition }) => transition === 'resync-started'))
  t.ok(hostC.some(({ transition }) => transition === 'resync-finished'))
  for (const host of ['hostA', 'hostB', 'hostC']) {
    const changes = printed.filter(line => line.event === 'allowed_operations' && line.host === host)
    const reboots = changes.map(({ allowed_operations: allowed }) => allowed.includes('reboot'))
    t.same(
      reboots.filter((may, index) => may !== reboots[index - 1]),
      [false, true, false, true],
      `${host}: blocked until all hosts have reported, allowed, blocked during the reboot and the resync, allowed`,
    )
  }
  t.match(
    printed.filter(({ accepted }) => accepted === false).map(({ error }) => error[0]),
    ['CLUSTERED_SR_DEGRADED', 'CLUSTERED_SR_DEGRADED'],
  )
  t.match(printed.at(-1), { event: 'note', end: true, ok: true })
})
