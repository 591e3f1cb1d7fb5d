import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import fc from 'fast-check'
import t from 'tap'
import { parseProcDrbd } from '../../../src/drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../../src/drbd-adapter/status/parse-status-text.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'
import { SYNC_STATES } from '../../../src/sync-query/state.ts'

const FIXTURES = join(import.meta.dirname, '../../fixtures')

type States = ReadonlyMap<string, Judgement['state']>

function states(judgements: readonly Judgement[]): States {
  return new Map(judgements.map(({ mirror, state }) => [mirror, state]))
}

const FORMATS: readonly (readonly [format: string, sets: string[], ending: string, read: (text: string) => States])[] =
  [
    [
      'drbd-status-json',
      ['drbd9'],
      '.status.json',
      text => states(parseStatusJson(text).volumes.map(volume => judgeDrbdVolume(volume))),
    ],
    [
      'drbd-status-text',
      ['drbd9', 'drbd84'],
      'status.txt',
      text => states(parseStatusText(text).volumes.map(volume => judgeDrbdVolume(volume))),
    ],
    [
      'proc-drbd',
      ['drbd84'],
      'proc-drbd.txt',
      text => states(parseProcDrbd(text).volumes.map(volume => judgeDrbdVolume(volume))),
    ],
    ['mdstat', ['md'], 'mdstat.txt', text => states(parseMdstat(text).arrays.map(judgeMdArray))],
  ]

const ODD = [...' \n\0:x09",{}[]-é']

/**
 * Returns the text truncated, with one line doubled, or with one character changed. Lines are not removed: the text that remains is
 * valid, so no parser can detect it.
 */
function damage(text: string, how: 'cut' | 'doubled' | 'changed', where: number, odd: string): string {
  if (how === 'cut') return text.slice(0, where % text.length)
  if (how === 'changed') return `${text.slice(0, where % text.length)}${odd}${text.slice((where % text.length) + 1)}`
  const lines = text.split('\n')
  const nth = where % lines.length
  return lines.toSpliced(nth, 0, lines[nth] ?? '').join('\n')
}

/** The mirrors that have a better state in the damaged text than in the text. */
function improved(before: States, after: States): string[] {
  return [...after].flatMap(([mirror, state]) => {
    const undamaged = before.get(mirror)
    return undamaged !== undefined && SYNC_STATES.indexOf(state) > SYNC_STATES.indexOf(undamaged) ? [mirror] : []
  })
}

for (const [format, sets, ending, read] of FORMATS) {
  t.test(`${format}: damage never gives a mirror a better state, and the parser throws nothing`, t => {
    const texts = sets.flatMap(set =>
      readdirSync(join(FIXTURES, set))
        .filter(name => name.endsWith(ending))
        .map(name => readFileSync(join(FIXTURES, set, name), 'utf8'))
        .filter(text => [...read(text).values()].some(state => state !== 'synced')),
    )
    t.ok(texts.length > 3)
    const damaged = fc.property(
      fc.constantFrom(...texts),
      fc.constantFrom('cut', 'doubled', 'changed' as const),
      fc.nat(),
      fc.constantFrom(...ODD),
      (text, how, where, odd) => improved(read(text), read(damage(text, how, where, odd))).length === 0,
    )
    fc.assert(damaged, { numRuns: 400 })
    t.end()
  })
}

t.test('drbd-status-text: a newline anywhere in a recording of a resync never gives a mirror a better state', t => {
  const read = (text: string) => states(parseStatusText(text).volumes.map(volume => judgeDrbdVolume(volume)))
  for (const name of [
    'invalidate-pause-resume.alpha.1-syncing.drbdadm-status.txt',
    'invalidate-pause-resume.alpha.1-syncing.status.txt',
    'peer-crash-and-resync.alpha.2-peer-lost.drbdadm-status.txt',
  ]) {
    const text = readFileSync(join(FIXTURES, 'drbd9', name), 'utf8')
    const before = read(text)
    const places = [...text].flatMap((_, at) =>
      improved(before, read(damage(text, 'changed', at, '\n'))).map(mirror => `${mirror} at ${at}`),
    )
    t.strictSame(places, [], name)
  }
  t.end()
})
