import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { combineMdReadings } from '../../../src/mdraid-adapter/parse/combine.ts'
import type { MdReading } from '../../../src/mdraid-adapter/parse/md-reading.ts'
import { parseMdSysfs, type SysfsFiles } from '../../../src/mdraid-adapter/parse/parse-md-sysfs.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'
import type { Judgement } from '../../../src/sync-query/judge/judgement.ts'

const FIXTURES = join(import.meta.dirname, '../..', 'fixtures', 'md')

/** One moment of a recording: both sources, read one after the other. */
export interface Recorded {
  /** The guest's clock, `16:21:07`. */
  readonly at: string
  /** `undefined`: /proc/mdstat did not exist yet. */
  readonly mdstat: string | undefined
  readonly files: SysfsFiles
}

export function fixtureText(name: string): string {
  return readFileSync(join(FIXTURES, name), 'utf8')
}

/** The fixtures whose names end with `suffix`, sorted. */
export function fixtureNames(ending: string): readonly string[] {
  return readdirSync(FIXTURES)
    .filter(name => name.endsWith(ending))
    .sort()
}

/**
 * The moments of a `.sysfs.txt` or `.samples-1s.txt` recording: `## TIME up=SECONDS`, then `# /proc/mdstat` with its text,
 * then for each array `# /sys/block/md0/md` with `file=content` and `dev-NAME slot=0 state=in_sync …` lines.
 */
export function recordedMoments(name: string): readonly Recorded[] {
  return fixtureText(name)
    .split(/^## /m)
    .slice(1)
    .map(moment => {
      const [first = '', ...sections] = moment.split(/^# /m)
      const files: Record<string, string | undefined> = {}
      let mdstat: string | undefined
      for (const section of sections) {
        const end = section.indexOf('\n')
        const title = section.slice(0, end)
        const body = section.slice(end + 1)
        if (title === '/proc/mdstat') mdstat = body.startsWith('cat: ') ? undefined : body
        else addFiles(files, title.replace('/sys/block/', ''), body)
      }
      return { at: first.split(' ')[0] ?? '', mdstat, files }
    })
}

/** The files that the lines of a recording were read from, each with the final newline of sysfs. */
function addFiles(files: Record<string, string | undefined>, directory: string, body: string): void {
  for (const line of body.split('\n').filter(Boolean)) {
    const [name = '', ...rest] = line.split(' ')
    if (name.startsWith('dev-')) {
      for (const pair of rest) {
        const [key = '', value = ''] = pair.split('=')
        files[`${directory}/${name}/${key}`] = `${value}\n`
      }
    } else {
      const equals = line.indexOf('=')
      files[`${directory}/${line.slice(0, equals)}`] = `${line.slice(equals + 1)}\n`
    }
  }
}

/** The combined reading of both sources at a moment. */
export function readingOf({ mdstat, files }: Recorded): MdReading {
  return combineMdReadings(mdstat === undefined ? null : parseMdstat(mdstat), parseMdSysfs(files))
}

/** The judgement of an array in a few words: `md0 resyncing recovery 0.129 resync-running(time)`. */
function inShort(judgement: Judgement): string {
  const { mirror, state, activity, progress, reasons } = judgement
  return [
    mirror,
    state,
    ...(activity === 'none' ? [] : [activity]),
    ...(progress === null ? [] : [progress.toFixed(3)]),
    ...reasons.map(
      ({ code, clearedBy, peer, field }) => `${code}(${[clearedBy, peer ?? field].filter(Boolean).join(' ')})`,
    ),
  ].join(' ')
}

export function judged(reading: MdReading): readonly string[] {
  return reading.arrays.map(array => inShort(judgeMdArray(array)))
}
