import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { setTimeout as pause } from 'node:timers/promises'
import t from 'tap'
import { reason } from '../../src/sync-query/reason/reason.ts'
import type { SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import type { PoolSrState } from '../../src/volume-plugin/sr-health.ts'
import { VolumePlugin } from '../../src/volume-plugin/volume-plugin.ts'
import {
  ATTACH,
  CONFIGURATION,
  CREATE,
  folderOf,
  Host,
  MANIFEST,
  plugged,
  SR,
  SYNCED,
  URI,
} from './plugin-under-test.ts'

const OTHER_SR = '5c5c5c5c-0000-4000-8000-000000000002'
const RESYNCING: SrStatus = {
  ...SYNCED,
  state: 'resyncing',
  mirrors: { unknown: 0, degraded: 0, resyncing: 3, synced: 9 },
  outOfSyncBytes: 33_513_472,
  progress: 0.42,
  etaSeconds: 130,
  reasons: [
    reason('resync-running', 'vol-7/0', { peer: 'hostB', side: 'target', progress: 0.42 }),
    ...['1', '2', '3', '4', '5'].map(n => reason('stand-alone', `vol-${n}/0`, { peer: 'hostB' })),
  ],
}
const HOLD: PoolSrState = { state: 'degraded', sentences: ['host B is away'] }

t.test('an SR is created, attached, renamed, detached and destroyed', async t => {
  const { host, call } = await plugged(t)
  t.strictSame(await call('SR.create', CREATE), { status: 200, answer: ATTACH.configuration })
  t.strictSame(await call('SR.create', CREATE), { status: 200, answer: ATTACH.configuration }, 'repeated')
  t.match(await call('SR.stat', { sr: URI }), { status: 400, answer: { code: 'Sr_not_attached', params: [SR] } })
  t.strictSame(host.watched, [])
  t.strictSame(await call('SR.attach', ATTACH), { status: 200, answer: URI })
  const drbd = ['xcp-volume-*', 'xcp-persistent-database']
  t.strictSame(host.watched, [{ uuid: SR, sameAs: null, drbd, md: [], ignorePeers: [], allowEmpty: false }])
  t.strictSame(await call('Plugin.ls', {}), { status: 200, answer: [URI] })
  t.strictSame(await call('sr.STAT', { sr: URI, dbg: '' }), {
    status: 200,
    answer: {
      sr: URI,
      name: 'Sentinel',
      uuid: SR,
      description: 'watches',
      total_space: 0,
      free_space: 0,
      datasources: [],
      clustered: true,
      health: ['Healthy', ''],
    },
  })
  t.strictSame(await call('SR.ls', { sr: URI }), { status: 200, answer: [] })
  t.strictSame(await call('SR.set_name', { sr: URI, new_name: 'Guard' }), { status: 200, answer: null })
  t.strictSame(await call('SR.set_description', { sr: URI, new_description: '' }), { status: 200, answer: null })
  t.match(await call('SR.stat', { sr: URI }), { answer: { name: 'Guard', description: '' } })
  t.strictSame(await call('Plugin.diagnostics', {}), { status: 200, answer: `${SR}: Healthy\n` })
  t.strictSame(await call('SR.destroy', { sr: URI }), { status: 200, answer: null })
  t.strictSame(host.watched, [])
  t.strictSame(await call('SR.detach', { sr: URI }), { status: 200, answer: null }, 'which still comes after')
  t.match(await call('SR.stat', { sr: URI }), { status: 400, answer: { code: 'SR_does_not_exist', params: [SR] } })
  t.strictSame(await call('Plugin.diagnostics', {}), { status: 200, answer: 'no SR is attached\n' })
  t.strictSame(host.bugs, [])
})

t.test('a host that did not create the SR attaches it with the configuration that SR.create returned', async t => {
  const { call } = await plugged(t)
  t.strictSame(await call('SR.attach', ATTACH), { status: 200, answer: URI })
  const { name, description } = CREATE
  t.match(
    await call('SR.stat', { sr: URI }),
    { status: 200, answer: { uuid: SR, name, description } },
    'and knows its name',
  )
  await call('SR.set_name', { sr: URI, new_name: 'Guard' })
  await call('SR.attach', ATTACH)
  t.match(
    await call('SR.stat', { sr: URI }),
    { answer: { name: 'Guard', description } },
    'which may be another one since',
  )
  t.strictSame(await call('SR.destroy', { sr: URI }), { status: 200, answer: null })
  await call('SR.attach', { configuration: { ...CONFIGURATION, sr_uuid: SR } })
  t.match(await call('SR.stat', { sr: URI }), { answer: { name: MANIFEST.name, description: '' } }, 'left out by hand')
  t.strictSame(await call('SR.detach', { sr: URI }), { status: 200, answer: null })
  t.match(await call('SR.ls', { sr: URI }), { answer: { code: 'Sr_not_attached' } })
})

t.test('health is Healthy only if the host and the pool report synced', async t => {
  const { host, call } = await plugged(t)
  await call('SR.attach', ATTACH)
  const health = async () => (await call('SR.stat', { sr: URI })).answer.health
  host.statuses.set(SR, RESYNCING)
  t.strictSame(await health(), [
    'Recovering',
    'resyncing (3 of 12 mirrors, 42 % done, about 130 s left): vol-7/0 is copying data from hostB, 42.0 % done (clears by itself); ' +
      ['1', '2', '3', '4']
        .map(n => `vol-${n}/0 has given up its connection to hostB (StandAlone) (needs an operator); `)
        .join('') +
      'and 1 more',
  ])
  host.statuses.clear()
  t.strictSame(await health(), ['Recovering', 'unknown: this host does not watch the SR'])
  host.pool = { state: 'synced', sentences: [] }
  t.match(await health(), ['Recovering', /^unknown/], 'the state of the pool does not replace that of this host')
  host.statuses.set(SR, SYNCED)
  t.strictSame(await health(), ['Healthy', ''])
  host.statuses.set(SR, { ...SYNCED, reasons: [reason('single-copy', 'vol-1/0')] })
  host.pool = HOLD
  t.strictSame(await health(), ['Recovering', 'degraded: host B is away'])
  host.pool = { state: 'unknown', sentences: [] }
  t.strictSame(await health(), ['Recovering', 'unknown'])
})

t.test('SR.probe proposes configurations', async t => {
  const { host, call } = await plugged(t)
  const probe = async (configuration: unknown) => (await call('SR.probe', { configuration, dbg: '' })).answer
  t.strictSame(await probe({}), [])
  host.present = {
    drbd: ['xcp-volume-1a', 'xcp-persistent-database', 'xcp-volume-2b', 'vol-1', 'vol-22', 'home', '7', '8'],
    md: [
      { name: 'md0', uuid: '6b3c:1' },
      { name: 'md1', uuid: null },
    ],
    doubts: [],
  }
  t.strictSame(await probe({}), [
    {
      configuration: { drbd: 'xcp-volume-* xcp-persistent-*' },
      complete: true,
      extra_info: { what: 'DRBD resources of XOSTOR', count: '3' },
    },
    { configuration: { drbd: 'vol-*' }, complete: true, extra_info: { what: 'DRBD resources vol-*', count: '2' } },
    { configuration: { drbd: '7 8' }, complete: true, extra_info: { what: 'DRBD resources 7 8', count: '2' } },
    { configuration: { drbd: 'home' }, complete: true, extra_info: { what: 'DRBD resource home', count: '1' } },
    { configuration: { md: '6b3c:1' }, complete: true, extra_info: { what: 'md array md0', count: '1' } },
    { configuration: { md: 'md1' }, complete: true, extra_info: { what: 'md array md1', count: '1' } },
  ])
  t.strictSame(await probe({ md: 'md1' }), [{ configuration: { md: 'md1' }, complete: true, extra_info: {} }])
  await call('SR.create', CREATE)
  const known = { configuration: ATTACH.configuration, complete: true, sr: { uuid: SR, name: 'Sentinel' } }
  t.match(await probe({}), [known], 'an existing SR comes first')
  t.match(await probe({ sr_uuid: SR }), [known])
  t.strictSame(await probe({ sr_uuid: OTHER_SR }), [])
})

t.test('wrong arguments are refused with their names', async t => {
  const { call, plugin, host } = await plugged(t)
  const refused = async (method: string, params: unknown, why: RegExp) =>
    t.match(await call(method, params), { status: 400, answer: { code: 'SR_BACKEND_FAILURE', params: ['', why, ''] } })
  const creating = (configuration: unknown) => ({ ...CREATE, configuration })
  await refused('SR.create', creating({ allowEmpty: 'true' }), /one of sr, drbd and md is required/)
  await refused('SR.create', creating({ drbd: ' , ' }), /one of sr, drbd and md is required/)
  await refused('SR.create', creating({ drbd: 'x*', allowEmpty: 'yes' }), /allowEmpty must be true or false/)
  await refused('SR.create', creating({ drdb: 'a' }), /the key drdb is not known/)
  await refused('SR.create', creating({ sr: OTHER_SR, md: 'md0' }), /sr excludes/)
  await refused('SR.create', creating({ sr: SR }), /sr is the SR itself/)
  await refused('SR.create', creating({ sr: '../../etc' }), /sr must be a UUID/)
  await refused('SR.create', creating({ ...CONFIGURATION, sr_uuid: OTHER_SR }), /sr_uuid is the UUID of another SR/)
  await refused('SR.create', creating({ drbd: 7 }), /configuration.drbd must be a string/)
  await refused('SR.create', creating({ drbd: 'a '.repeat(1001) }), /drbd has more than 1000 names/)
  await refused('SR.create', creating({ drbd: 'a'.repeat(257) }), /more than 256 characters/)
  await refused('SR.create', { ...CREATE, uuid: '../x' }, /uuid must be a UUID/)
  await refused('SR.create', { ...CREATE, name: null }, /name must be a string/)
  await refused('SR.attach', { configuration: CONFIGURATION }, /sr_uuid is missing/)
  await refused('SR.attach', { configuration: null }, /configuration must be an object/)
  await refused('SR.stat', { sr: 'resync-monitor://../../x' }, /sr must be a UUID/)
  t.match(await call('SR.stat', { sr: SR }), { answer: { code: 'SR_does_not_exist', params: [SR] } })
  t.match(await call('SR.set_name', { sr: URI, new_name: '' }), { answer: { code: 'SR_does_not_exist' } })
  await call('SR.create', CREATE)
  await refused('SR.create', creating({ drbd: 'other' }), /already exists with another configuration/)
  const sameMirrors = { ...CREATE, name: 'Renamed', configuration: { drbd: 'xcp-volume-*  xcp-persistent-database' } }
  t.match(await call('SR.create', sameMirrors), { status: 200, answer: { name: 'Renamed' } })
  for (const body of ['', '[]', 'null', '{']) {
    t.match(await plugin.answer('SR.stat', body), { status: 400, body: /one JSON object/ })
  }
  t.match(await call('Volume.create', {}), {
    status: 501,
    answer: { code: 'Unimplemented', params: ['Volume.create'] },
  })
  t.match(await call('constructor', {}), { status: 501, answer: { code: 'Unimplemented' } })
  t.strictSame(host.bugs, [])
})

t.test('a bug in a call is reported to the log of the agent, not to the toolstack', async t => {
  const { call, host } = await plugged(t)
  await call('SR.attach', ATTACH)
  host.status = () => {
    throw new TypeError('a secret')
  }
  const internal = { status: 500, answer: { code: 'SR_BACKEND_FAILURE', params: ['', /internal error/, ''] } }
  t.match(await call('SR.stat', { sr: URI }), internal)
  host.present = { drbd: [], md: [{ name: 'md0', uuid: null }], doubts: [] }
  host.presentMirrors = () => ({ drbd: [], md: [Object.assign({ uuid: null }, { name: JSON.parse('7') })], doubts: [] })
  t.match(await call('SR.probe', { configuration: {} }), internal, 'a result of the wrong shape does not leave')
  t.match(host.bugs, [{ message: 'a secret' }, {}])
})

t.test('SRs and attachments survive a restart; a damaged file affects no other SR', async t => {
  const { call, folder, files } = await plugged(t)
  const other = { ...ATTACH.configuration, sr_uuid: OTHER_SR }
  await call('SR.create', CREATE)
  await call('SR.attach', ATTACH)
  await call('SR.attach', { configuration: other })
  const good = readFileSync(join(files, `${SR}.json`), 'utf8')

  const again = await plugged(t, folder)
  t.strictSame(
    again.host.watched.map(({ uuid }) => uuid),
    [SR, OTHER_SR],
  )
  t.match(await again.call('SR.stat', { sr: URI }), { answer: { name: 'Sentinel', health: ['Healthy', ''] } })

  const wrong = [
    good.slice(0, 40),
    '',
    'null',
    good.replace(SR, OTHER_SR),
    good.replace('"drbd"', '"drdb"'),
    good.replace('"attached": true', '"attached": "yes"'),
    ' '.repeat(300_000),
  ]
  for (const content of wrong) {
    writeFileSync(join(files, `${SR}.json`), content)
    const { host, call } = await plugged(t, folder)
    t.strictSame(
      host.watched.map(({ uuid }) => uuid),
      [OTHER_SR],
    )
    t.match(host.problems, [new RegExp(`^${files}/${SR}\\.json .*\\. Correct it|^cannot read ${files}/${SR}\\.json`)])
    const problem = host.problems[0] ?? ''
    t.equal(
      (await call('Plugin.diagnostics', {})).answer,
      `${OTHER_SR}: unknown: this host does not watch the SR\n${SR}: ${problem}\n`,
    )
    t.match(await call('SR.probe', { configuration: { sr_uuid: SR } }), {
      status: 400,
      answer: { params: ['', problem, ''] },
    })
    t.match(await call('SR.stat', { sr: URI }), {
      status: 200,
      answer: { uuid: SR, name: MANIFEST.name, clustered: true, health: ['Recovering', `unknown: ${problem}`] },
    })
    t.match(await call('SR.stat', { sr: `resync-monitor://${OTHER_SR}` }), { status: 200 })
    t.match(await call('SR.probe', { configuration: {} }), { status: 200, answer: [{ sr: { uuid: OTHER_SR } }] })
  }
  t.match(await again.call('SR.detach', { sr: URI }), { status: 200 }, 'it can be unplugged')
  t.strictSame(
    again.host.watched.map(({ uuid }) => uuid),
    [OTHER_SR],
  )
  t.ok(existsSync(join(files, `${SR}.json.broken`)), 'the file is kept for inspection')
  t.match(await again.call('SR.attach', ATTACH), { status: 200 }, 'and plugged again')
  t.match(await again.call('SR.stat', { sr: URI }), { status: 200 })
  writeFileSync(join(files, `${SR}.json`), '{')
  writeFileSync(join(files, `${SR}.json.new`), '{ "sch')
  t.match(await again.call('SR.destroy', { sr: URI }), { status: 200 }, 'it can be destroyed')
  t.strictSame(readdirSync(files), [`${OTHER_SR}.json`])
  t.match(await again.call('SR.create', CREATE), { status: 200 }, 'and made again')
})

t.test('an SR whose file was edited is watched with the new configuration', async t => {
  const { call, files, host } = await plugged(t)
  await call('SR.attach', ATTACH)
  const file = join(files, `${SR}.json`)
  writeFileSync(file, readFileSync(file, 'utf8').replace('xcp-volume-*', 'other-*'))
  t.match(await call('SR.stat', { sr: URI }), { status: 200 })
  t.match(host.watched, [{ uuid: SR, drbd: ['other-*', 'xcp-persistent-database'] }])
})

t.test('if the file cannot be written, the call fails and says so', async t => {
  const { call, files, host } = await plugged(t)
  const fails = async (method: string, params: unknown, why: RegExp) =>
    t.match(await call(method, params), { status: 400, answer: { params: ['', why, ''] } })
  await fails('SR.create', { ...CREATE, description: ' '.repeat(270_000) }, /the arguments of the call are too long/)
  mkdirSync(join(files, `${SR}.json.new`), { recursive: true })
  await fails('SR.create', CREATE, /cannot write .*directory/)
  mkdirSync(join(files, `${SR}.json`))
  await fails('SR.destroy', { sr: URI }, /cannot remove/)
  rmSync(files, { recursive: true })
  writeFileSync(files, 'no folder')
  await fails('SR.create', CREATE, /cannot read/)
  const { host: second } = await plugged(t, resolve(files, '..'))
  t.match(second.problems, [/cannot read .*volume-plugin/])
  t.strictSame(host.bugs, [])
})

t.test('a plugin.json that is not a valid result of Plugin.Query is an error at the start', async t => {
  const folder = folderOf(t)
  const opening = (manifestFile: string) => {
    const ignore = () => undefined
    const host = new Host()
    return VolumePlugin.open({
      host,
      manifestFile,
      stateDirectory: folder,
      clock: Date,
      watch: ignore,
      onProblem: ignore,
      onBug: ignore,
    })
  }
  await t.rejects(opening(join(folder, 'none.json')), /none\.json is missing/)
  for (const [key, wrong] of [...Object.keys(MANIFEST).map(key => [key, undefined]), ['features', ['a', 7]]]) {
    const file = join(folder, 'plugin.json')
    writeFileSync(file, JSON.stringify({ ...MANIFEST, [String(key)]: wrong }))
    await t.rejects(opening(file), /plugin\.json is not a valid result/, `${key}`)
  }
  writeFileSync(join(folder, 'plugin.json'), '{')
  await t.rejects(opening(join(folder, 'plugin.json')), /plugin\.json is not a valid result/)
})

t.test('kill -9 at any moment leaves either the old record or the new one', async t => {
  const { folder, files, host } = await plugged(t)
  const program = `
    const { VolumePlugin } = await import(${JSON.stringify(resolve(import.meta.dirname, '../../src/volume-plugin/volume-plugin.ts'))})
    const host = { status: () => null, srs: () => [], poolState: () => null, presentMirrors: () => ({ drbd: [], md: [], doubts: [] }) }
    const plugin = await VolumePlugin.open({ host, stateDirectory: ${JSON.stringify(folder)}, clock: Date, watch() {}, onProblem() {}, onBug() {} })
    const call = (method, params) => plugin.answer(method, JSON.stringify(params))
    for (let n = 0; ; n++) {
      const uuid = '5c5c5c5c-0000-4000-8000-' + String(n % 50).padStart(12, '0')
      const name = String(n).repeat(2000)
      const configuration = ${JSON.stringify(CONFIGURATION)}
      await call('SR.create', { uuid, name, description: name, configuration })
      await call('SR.attach', { configuration: { ...configuration, sr_uuid: uuid } })
      if (n % 3 === 0) await call('SR.destroy', { sr: 'resync-monitor://' + uuid })
      if (n === 1) console.log('going')
    }`
  for (const afterMs of [0, 7, 23, 61]) {
    const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(child.stdout, 'data')
    await pause(afterMs)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const { host: heir, call } = await plugged(t, folder)
    t.strictSame(heir.problems, [])
    for (const { uuid } of heir.watched) {
      const { answer } = await call('SR.stat', { sr: `resync-monitor://${uuid}` })
      t.equal(answer.name, answer.description)
      t.match(answer.name, /^(\d+?)\1{1999}$/)
    }
    t.ok(readdirSync(files).length > 0)
  }
  t.strictSame(host.bugs, [])
})

t.test('a host without a replica plugs the SR with allowEmpty, for its own mirrors or those of another SR', async t => {
  const { host, call } = await plugged(t)
  const attach = (more: object) => call('SR.attach', { configuration: { sr_uuid: SR, ...more } })
  await attach({ drbd: 'vol-*', allowEmpty: 'true' })
  t.match(host.watched, [{ uuid: SR, drbd: ['vol-*'], allowEmpty: true }])
  await attach({ sr: OTHER_SR, allowEmpty: 'true' })
  t.match(host.watched, [{ uuid: SR, sameAs: OTHER_SR, allowEmpty: true }])
  await attach({ drbd: 'vol-*', allowEmpty: 'false' })
  t.match(host.watched, [{ uuid: SR, allowEmpty: false }])
})
