import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { Events2State } from '../../../src/drbd-adapter/events2/events2-state.ts'
import { copyIo } from '../../../src/drbd-adapter/follow/statistics.ts'
import { parseProcDrbd } from '../../../src/drbd-adapter/status/parse-proc-drbd.ts'
import { parseStatusJson } from '../../../src/drbd-adapter/status/parse-status-json.ts'
import { parseStatusText } from '../../../src/drbd-adapter/status/parse-status-text.ts'
import type { DrbdVolume } from '../../../src/sync-query/judge/drbd.ts'
import { judgeDrbdVolume } from '../../../src/sync-query/judge/judge-drbd.ts'
import { capture, fold, readStream } from '../captures.ts'

const FROZEN = readFileSync(join(import.meta.dirname, '../../fixtures/frozen-io/suspended-by-user.status.txt'), 'utf8')

/** The state of the first volume and its reasons about I/O. */
function ioOf(volumes: readonly DrbdVolume[]): string {
  const [first] = volumes
  if (first === undefined) return 'nothing'
  const { state, reasons } = judgeDrbdVolume(first)
  const io = reasons.filter(({ code }) => code.startsWith('io-'))
  return [state, ...io.map(({ code, word, clearedBy }) => `${code}:${word}/${clearedBy}`)].join(' ')
}

t.test('suspended I/O is reported with the kernel’s words and blocks nothing (miroir#280)', async t => {
  t.equal(ioOf(parseStatusText(FROZEN).volumes), 'synced io-suspended:user/operator')
  const words = (word: string) => ioOf(parseStatusText(FROZEN.replace('suspended:user', `suspended:${word}`)).volumes)
  t.equal(words('no'), 'synced')
  t.equal(words('no-data'), 'synced io-suspended:no-data/operator')
  t.equal(words('user,no-data'), 'synced io-suspended:user,no-data/operator')
  t.equal(words('fencing'), 'synced io-suspended:fencing/time', 'a peer is connected')
  t.equal(words('quorum'), 'synced io-suspended:quorum/time')
  t.equal(words('quorum,user'), 'synced io-suspended:quorum,user/operator')
  t.equal(words('odd'), 'synced io-suspended:odd/operator', 'an unknown word')
  const alone = FROZEN.replace('suspended:user', 'suspended:quorum').replace(':Connected', ':StandAlone')
  t.match(ioOf(parseStatusText(alone).volumes), /io-suspended:quorum\/operator/, 'no peer is connecting')
  const away = alone.replace(':StandAlone', ':Connecting')
  t.match(ioOf(parseStatusText(away).volumes), /io-suspended:quorum\/time/)
  const brief = 'vol-c role:Primary suspended:user\n  disk:UpToDate\n  hostB role:Secondary\n    peer-disk:UpToDate\n\n'
  t.equal(ioOf(parseStatusText(brief).volumes), 'synced io-suspended:user/operator')
  t.equal(ioOf(parseStatusText(brief.replace(' suspended:user', '')).volumes), 'synced')
})

t.test('forced I/O failures are reported too', async t => {
  const text = FROZEN.replace('suspended:user', 'suspended:no').replace('failures:no', 'failures:yes')
  t.equal(ioOf(parseStatusText(text).volumes), 'synced io-failures-forced:yes/operator')
})

t.test('JSON has one flag per word', async t => {
  const json = (members: Readonly<Record<string, unknown>>) =>
    ioOf(
      parseStatusJson(
        JSON.stringify([
          {
            name: 'v',
            ...members,
            devices: [{ volume: 0, 'disk-state': 'UpToDate' }],
            connections: [
              {
                name: 'b',
                'connection-state': 'Connected',
                peer_devices: [{ volume: 0, 'replication-state': 'Established', 'peer-disk-state': 'UpToDate' }],
              },
            ],
          },
        ]),
      ).volumes,
    )
  const no = { 'suspended-user': false, 'suspended-no-data': false, 'suspended-fencing': false }
  t.equal(json({ suspended: false, ...no }), 'synced')
  t.equal(json({ suspended: true, ...no, 'suspended-user': true }), 'synced io-suspended:user/operator')
  t.equal(
    json({ suspended: true, 'suspended-user': true, 'suspended-no-data': true }),
    'synced io-suspended:user,no-data/operator',
  )
  t.equal(json({ 'suspended-quorum': true }), 'synced io-suspended:quorum/time')
  t.equal(json({ suspended: true }), 'synced io-suspended:yes/operator', 'a release without the cause')
  t.equal(json({ suspended: 'fencing' }), 'synced io-suspended:fencing/time')
  t.equal(json({ 'force-io-failures': true }), 'synced io-failures-forced:yes/operator')
  t.equal(json({}), 'synced')
})

t.test('/proc/drbd has one letter for suspended I/O', async t => {
  const text = (flags: string) =>
    `version: 8.4.11 (api:1/proto:86-101)\n 0: cs:Connected ro:Primary/Secondary ds:UpToDate/UpToDate C ${flags}\n` +
    '    ns:0 nr:0 dw:0 dr:0 al:0 bm:0 lo:0 pe:0 ua:0 ap:0 ep:1 wo:f oos:0\n'
  t.equal(ioOf(parseProcDrbd(text('r-----')).volumes), 'synced')
  t.equal(ioOf(parseProcDrbd(text('s-----')).volumes), 'synced io-suspended:s/operator')
})

const DUMP = [
  'exists resource name:v role:Primary suspended:no force-io-failures:no',
  'exists connection name:v peer-node-id:1 conn-name:b connection:Connected',
  ...[0, 1].flatMap(volume => [
    `exists device name:v volume:${volume} minor:${volume} disk:UpToDate client:no quorum:yes`,
    `exists peer-device name:v peer-node-id:1 conn-name:b volume:${volume} replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no out-of-sync:0`,
  ]),
  'exists -',
  '',
].join('\n')

t.test('an event of the resource changes all of its volumes; a role change changes none', async t => {
  const state = new Events2State()
  readStream([DUMP], line => state.apply(line))
  state.takeChanged()
  const say = (line: string) => {
    readStream([`${line}\n`], each => state.apply(each))
    return [[...state.takeChanged()].sort().join(' '), ioOf(state.volumes())]
  }
  t.strictSame(say('change resource name:v role:Secondary'), ['', 'synced'])
  t.strictSame(say('change resource name:v suspended:user'), ['v/0 v/1', 'synced io-suspended:user/operator'])
  t.strictSame(say('change resource name:v suspended:user'), ['', 'synced io-suspended:user/operator'])
  t.strictSame(say('change resource name:v suspended:user->no-data'), [
    'v/0 v/1',
    'synced io-suspended:no-data/operator',
  ])
  t.strictSame(say('change resource name:v suspended:no force-io-failures:yes'), [
    'v/0 v/1',
    'synced io-failures-forced:yes/operator',
  ])
  t.strictSame(say('change resource name:v force-io-failures:no'), ['v/0 v/1', 'synced'])
})

t.test('one moment of a lost quorum in three formats (recorded)', async t => {
  const at = 'quorum-loss.alpha.2-bravo-took-over'
  const mesh0 = (volumes: readonly DrbdVolume[]) => ioOf(volumes.filter(({ mirror }) => mirror === 'mesh0/0'))
  for (const volumes of [
    parseStatusJson(capture('drbd9', `${at}.status.json`)).volumes,
    parseStatusText(capture('drbd9', `${at}.status.txt`)).volumes,
    fold(capture('drbd9', `${at}.events2-now.txt`)).volumes(),
  ]) {
    t.match(mesh0(volumes), /io-suspended:quorum\/time/)
  }
})

t.test('a later dump updates the I/O state that no event reported', async t => {
  const device = (dump: string) => {
    const found = fold(dump).device('v/0')
    if (found === undefined) throw new Error('it is in the dump')
    return found
  }
  const live = device(DUMP)
  t.equal(copyIo(live, device(DUMP)), false)
  t.equal(copyIo(live, device(DUMP.replace('suspended:no', 'suspended:quorum'))), true)
  t.equal(live.resource.suspended, 'quorum')
})
