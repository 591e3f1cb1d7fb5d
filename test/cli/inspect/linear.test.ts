import { Readable } from 'node:stream'
import t from 'tap'
import { playEventStream } from '../../../src/cli/inspect/event-stream.ts'
import { devicesOfSnapshot } from '../../../src/cli/inspect/findings.ts'
import { parseProcDrbd } from '../../../src/drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../../src/drbd-adapter/status/parse-status-text.ts'
import { parseMdstat } from '../../../src/mdraid-adapter/parse/parse-mdstat.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import { judgeMdArray } from '../../../src/sync-query/judge/judge-md.ts'

type Read = (text: string) => unknown
type Case = readonly [title: string, read: Read, text: (size: number) => string]

const json: Read = text => devicesOfSnapshot(parseStatusJson(text).volumes.map(volume => judgeDrbdVolume(volume)))
const text: Read = text => devicesOfSnapshot(parseStatusText(text).volumes.map(volume => judgeDrbdVolume(volume)))
const proc: Read = text => devicesOfSnapshot(parseProcDrbd(text).volumes.map(volume => judgeDrbdVolume(volume)))
const mdstat: Read = text => devicesOfSnapshot(parseMdstat(text).arrays.map(judgeMdArray))
const events: Read = text => playEventStream(Readable.from([Buffer.from(text)]), () => undefined)

function times(size: number, make: (nth: number) => string, between = ''): string {
  return Array.from({ length: size }, (_, nth) => make(nth)).join(between)
}

const RESOURCE = `exists resource name:r0 role:Primary may_promote:no
exists connection name:r0 peer-node-id:1 conn-name:b connection:Connected
exists device name:r0 volume:0 minor:0 disk:Failed client:no quorum:yes
`
const PROC = ' 0: cs:Connected ro:P/S ds:UpToDate/UpToDate C r-----\n    ns:0 wo:f oos:0\n'
const MD = 'md1 : active raid1 sdb[1] sda[0]\n      64512 blocks super 1.2 [2/2] [UU]\n      \n'

const CASES: readonly Case[] = [
  [
    'JSON: many volumes, peers and unknown keys',
    json,
    size =>
      `[{"name":"r",${times(size, n => `"k${n}":"Failed",`)}"devices":[${times(size, n => `{"volume":${n}}`, ',')}],"connections":[${times(size, n => `{"name":"p${n}"}`, ',')}]}]`,
  ],
  [
    'JSON: one resource many times',
    json,
    size => `[${times(size, () => '{"name":"r","devices":[{"volume":0}]}', ',')}]`,
  ],
  ['JSON: nested', json, size => `[{"name":"r","x":${'{"a":'.repeat(size)}1${'}'.repeat(size)}}]`],
  ['JSON: escapes', json, size => `[{"name":"${'\\\\'.repeat(size)}","${'\\"'.repeat(size)}":1}]`],
  [
    'text: many volumes and peers',
    text,
    size =>
      `r role:Primary\n${times(size, n => `  volume:${n} disk:UpToDate\n`)}${times(size, n => `  p${n} role:Secondary\n`)}\n`,
  ],
  ['text: one line', text, size => `r role:Primary ${' x:Failed'.repeat(size * 8)}\n\n`],
  ['text: one word many times', text, size => `r role:Primary\n${'  disk:UpToDate\n'.repeat(size)}\n`],
  ['text: garbage', text, size => 'x\n'.repeat(size * 4)],
  ['text: blanks', text, size => `${' '.repeat(size)}\n${'x'.repeat(size)}: No such resource${' '.repeat(size)}x\n`],
  ['/proc/drbd: one minor many times', proc, size => PROC.repeat(size)],
  ['/proc/drbd: flags and blanks', proc, size => `${PROC.slice(0, 55)}${' r---'.repeat(size)}${' '.repeat(size)}x\n`],
  [
    'mdstat: one array many times',
    mdstat,
    size => `Personalities : [raid1]\n${MD.repeat(size)}unused devices: <none>\n`,
  ],
  [
    'mdstat: stray lines',
    mdstat,
    size => `Personalities : [raid1]\n${MD}${'x y\n'.repeat(size)}unused devices: <none>\n`,
  ],
  ['events2: garbage without blanks', events, size => `exists -\n${'change\n'.repeat(size * 4)}`],
  [
    'events2: garbage that names a resource',
    events,
    size => `${RESOURCE}exists -\n${'change device name:r0 x\n'.repeat(size)}`,
  ],
  [
    'events2: late lines',
    events,
    size => {
      const line = 'change device name:r0 volume:0 size:4\n'
      return `${RESOURCE}exists -\n- skipped 1\n${line.repeat(size)}- skipped -2\n${line.repeat(size)}`
    },
  ],
]

async function cpuMillis(read: Read, input: string): Promise<number> {
  let best = Number.POSITIVE_INFINITY
  for (let round = 0; round < 2; round += 1) {
    const before = process.cpuUsage()
    await read(input)
    const { user, system } = process.cpuUsage(before)
    best = Math.min(best, (user + system) / 1000)
  }
  return best
}

t.test('the run time of each reader is proportional to the size of its input', async t => {
  for (const [title, read, make] of CASES) {
    await read(make(200))
    const small = await cpuMillis(read, make(200))
    const large = await cpuMillis(read, make(3_200))
    // Sixteen times as large: a quadratic reader needs 256 times as long. Below some milliseconds nothing is measured.
    t.ok(large < 80 * Math.max(small, 2), `${title}: ${small.toFixed(1)} ms, ${large.toFixed(1)} ms`)
  }
})
