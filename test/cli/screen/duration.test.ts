import t from 'tap'
import { nearestWord } from '../../../src/cli/nearest-word.ts'
import { durationOf, readOptions, UsageError } from '../../../src/cli/terminal.ts'
import { formatDuration, parseDuration } from '../../../src/platform/text/duration.ts'
import { progressBar } from '../../../src/platform/text/progress-bar.ts'

t.test('durations need their units', async t => {
  const table: [string, number | null][] = [
    ['90s', 90],
    ['10m', 600],
    ['2h', 7200],
    ['1h30m', 5400],
    ['0.5h', 1800],
    ['1d', 86_400],
    ['90', null],
    ['', null],
    ['m', null],
    ['-5m', null],
    ['5 m', null],
    ['5M', null],
    ['1e3s', null],
    [`${'9'.repeat(400)}d`, null],
  ]
  for (const [text, seconds] of table) t.equal(parseDuration(text), seconds, text)
})

t.test('an error about a duration names the option', async t => {
  t.equal(durationOf('for', '24h', { max: '24h' }), 86_400)
  for (const [text, message] of [
    ['soon', /--for must be a duration such as 90s, 10m or 2h, not 'soon'/],
    ['0s', /--for must be longer than 0 s/],
    ['25h', /--for must be 24h at most, not '25h'/],
  ] as const) {
    t.throws(() => durationOf('for', text, { max: '24h' }), { constructor: UsageError, message })
  }
})

t.test('durations are printed with useful precision', async t => {
  const table: [number, string][] = [
    [0.4, '0 s'],
    [119, '119 s'],
    [120, '2 min'],
    [7140, '119 min'],
    [7200, '2 h'],
    [12_000, '3 h 20 min'],
    [172_800, '2 d'],
    [187_200, '2 d 4 h'],
  ]
  for (const [seconds, words] of table) t.equal(formatDuration(seconds), words)
})

t.test('a bar is full only at the end; without a progress it is empty', async t => {
  t.equal(progressBar(0.99979, null), '[=============================>] 99.9 %')
  t.equal(progressBar(1, 0), '[==============================] 100.0 %  about 0 s left')
  t.equal(progressBar(null, null), `[>${' '.repeat(29)}]    - %`)
})

t.test('an error about an unknown option suggests the similar option, or lists all', async t => {
  const specs = { json: { type: 'boolean' }, socket: { type: 'string' } } as const
  for (const [option, message] of [
    ['--jsno', 'there is no option --jsno; did you mean --json?'],
    ['--sockt=x', 'there is no option --sockt; did you mean --socket?'],
    ['--verbose', 'there is no option --verbose; valid: --json, --socket'],
    ['-x', 'there is no option -x; valid: --json, --socket'],
    ['--socket', '--socket needs a value'],
    ['--json=x', '--json takes no value'],
  ] as const) {
    t.throws(() => readOptions([option], specs), { constructor: UsageError, message })
  }
  t.equal(nearestWord('statsu', ['status', 'watch']), 'status')
  t.equal(nearestWord('xy', ['wait']), null)
})
