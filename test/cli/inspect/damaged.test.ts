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

/** Cut, a line doubled, or one character changed. What is dropped as a whole line no reader can miss. */
function damage(text: string, how: 'cut' | 'doubled' | 'changed', where: number, odd: string): string {
  if (how === 'cut') return text.slice(0, where % text.length)
  if (how === 'changed') return `${text.slice(0, where % text.length)}${odd}${text.slice((where % text.length) + 1)}`
  const lines = text.split('\n')
  const nth = where % lines.length
  return lines.toSpliced(nth, 0, lines[nth] ?? '').join('\n')
}

for (const [format, sets, ending, read] of FORMATS) {
  t.test(
    `${format}: however it is damaged, nothing that was not synced is read as synced, and nothing is thrown`,
    t => {
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
        (text, how, where, odd) => {
          const before = read(text)
          for (const [mirror, state] of read(damage(text, how, where, odd))) {
            if (state === 'synced' && before.has(mirror) && before.get(mirror) !== 'synced') return false
          }
          return true
        },
      )
      fc.assert(damaged, { numRuns: 400 })
      t.end()
    },
  )
}
