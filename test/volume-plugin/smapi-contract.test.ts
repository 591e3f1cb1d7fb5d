import { accessSync, constants, lstatSync, readdirSync, statSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import t, { type Test } from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { type PoolAnswers, PoolRefusal } from '../../src/agent-api/pool-methods.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { KEYS } from '../../src/volume-plugin/sr-configuration.ts'
import { ATTACH, answersOf, CONFIGURATION, CREATE, folderOf, MANIFEST, plugged, SR, URI } from './plugin-under-test.ts'
import { keysOf, StorageScript } from './storage-script.ts'

const VOLUME_PLUGINS = resolve(import.meta.dirname, '../../plugin/volume')
const FOLDER = join(VOLUME_PLUGINS, 'org.xen.xapi.storage.resync-monitor')

/** The methods as the RPC names them (xapi-storage generator, plugin.ml:34-60, control.ml:147-470 and 499-625). */
const METHODS = [
  ...['query', 'diagnostics', 'ls'].map(name => `Plugin.${name}`),
  ...['probe', 'create', 'attach', 'detach', 'destroy', 'stat', 'ls', 'set_name', 'set_description'].map(
    name => `SR.${name}`,
  ),
]
const VOLUME_METHODS = [
  ...['create', 'snapshot', 'clone', 'copy', 'destroy', 'revert', 'set_name', 'set_description', 'set', 'unset'],
  ...['resize', 'stat', 'compare', 'similar_content', 'enable_cbt', 'disable_cbt', 'data_destroy'],
  ...['list_changed_blocks', 'compose'],
].map(name => `Volume.${name}`)

/** The feature that xapi-storage-script adds for each executable that it finds (main.ml:874-960). */
const FEATURES: Readonly<Record<string, string>> = {
  'SR.attach': 'SR_ATTACH',
  'SR.create': 'SR_CREATE',
  'SR.destroy': 'SR_DELETE',
  'SR.detach': 'SR_DETACH',
  'SR.ls': 'SR_SCAN',
  'SR.stat': 'SR_UPDATE',
  'SR.probe': 'SR_PROBE',
}

async function toolstack(t: Test) {
  const { host, plugin } = await plugged(t)
  const refused = async () => {
    throw new PoolRefusal('noToolstack', 'none')
  }
  const pool: PoolAnswers = {
    gate: refused,
    canReboot: refused,
    setOverride: refused,
    clearOverride: refused,
    clearOrder: refused,
  }
  const onBug = (bug: unknown) => host.bugs.push(bug)
  const socket = new AgentSocket({
    clock: machineClock,
    answers: answersOf(new Map()),
    events: new SyncEvents(),
    onBug,
    own: { plugin, pool },
  })
  const path = join(folderOf(t), 'agent.sock')
  await socket.listen({ path })
  t.teardown(() => socket.close())
  const env = { PATH: process.env.PATH ?? '', RESYNC_MONITOR_SOCKET: path }
  const script = new StorageScript(FOLDER, env)
  const result = async (method: string, params: Readonly<Record<string, unknown>>) => {
    const called = await script.call(method, params)
    if ('error' in called) throw new Error(`${method}: ${JSON.stringify(called.error)}`)
    return called.result
  }
  const error = async (method: string, params: Readonly<Record<string, unknown>>) => {
    const called = await script.call(method, params)
    return 'error' in called ? called.error : null
  }
  return { host, env, result, error }
}

/** What the IDL's `sr_stat` accepts (control.ml:52-85). Other keys are ignored. */
function assertStat(t: Test, value: unknown): void {
  const { sr, name, uuid, description, total_space, free_space, datasources, clustered, health } = keysOf(value)
  for (const text of [sr, name, description]) t.type(text, 'string')
  if (Object.hasOwn(keysOf(value), 'uuid')) t.type(uuid, 'string', 'null would be an error')
  for (const bytes of [total_space, free_space]) t.ok(Number.isSafeInteger(bytes))
  t.strictSame(datasources, [])
  t.equal(clustered, true)
  t.ok(Array.isArray(health) && health.length === 2 && typeof health[1] === 'string')
  t.match(keysOf(health)[0], /^(Healthy|Recovering)$/)
}

/** What `probe_result` accepts (control.ml:480-495), and what is required beyond its type (main.ml:1098-1140). */
function assertProbed(t: Test, value: unknown): void {
  const result = keysOf(value)
  const configuration = keysOf(result.configuration)
  t.ok(Object.values(configuration).every(each => typeof each === 'string'))
  t.ok(Object.values(keysOf(result.extra_info)).every(each => typeof each === 'string'))
  t.type(result.extra_info, 'object', 'it is required')
  t.equal(result.complete, true)
  if (!Object.hasOwn(result, 'sr')) return
  t.type(configuration.sr_uuid, 'string', 'an existing SR is named')
  assertStat(t, result.sr)
}

t.test('the folder has one plugin and one executable for each method, and no other executable', t => {
  t.strictSame(
    readdirSync(VOLUME_PLUGINS),
    ['org.xen.xapi.storage.resync-monitor'],
    'a plain file would be a plugin too',
  )
  t.ok(statSync(FOLDER).isDirectory())
  t.equal(FOLDER.split('.').at(-1), MANIFEST.plugin, 'the type of its SRs is the last part of its name')
  const executables = readdirSync(FOLDER).filter(name => {
    try {
      accessSync(join(FOLDER, name), constants.X_OK)
      return true
    } catch {
      return false
    }
  })
  const wanted = [...METHODS, ...VOLUME_METHODS, 'smapi-call'].map(name => name.toLowerCase())
  t.strictSame(executables.map(name => name.toLowerCase()).toSorted(), wanted.toSorted())
  for (const name of executables) {
    t.ok(name === 'smapi-call' || lstatSync(join(FOLDER, name)).isSymbolicLink(), `${name} is that one file`)
  }
  const script = new StorageScript(FOLDER, {})
  for (const method of ['Plugin.query', 'sr.STAT', 'VOLUME.create']) t.ok(script.find(method), method)
  t.end()
})

t.test('the features that the toolstack derives from the plugin', t => {
  const texts = ['plugin', 'name', 'description', 'vendor', 'copyright', 'version', 'required_api_version']
  t.strictSame(
    Object.keys(MANIFEST).toSorted(),
    [...texts, 'features', 'configuration', 'required_cluster_stack'].toSorted(),
  )
  for (const key of texts) t.type(MANIFEST[key], 'string', key)
  t.equal(MANIFEST.required_api_version, '5.0', 'of 3.0 an argument uri would come along')
  t.strictSame(MANIFEST.required_cluster_stack, [])
  // Each would be there twice.
  t.strictSame(MANIFEST.features, [], 'those of the scripts that are there are added by themselves')
  t.strictSame(Object.keys(MANIFEST.configuration).toSorted(), [...KEYS].toSorted(), 'every accepted key is documented')
  const found = readdirSync(FOLDER).flatMap(name => FEATURES[name] ?? [])
  t.strictSame(found.toSorted(), Object.values(FEATURES).toSorted())
  t.end()
})

t.test('each method accepts exactly the parameters that the toolstack sends', async t => {
  const { result, error, host } = await toolstack(t)
  const dbg = 'OpaqueRef:1|SR.create R:a "quoted" \\ \u{e4}'
  t.strictSame(await result('Plugin.query', { dbg }), MANIFEST)
  t.type(await result('Plugin.diagnostics', { dbg }), 'string')
  t.strictSame(await result('Plugin.ls', { dbg }), [])
  host.present = { drbd: ['xcp-volume-1', 'xcp-volume-2', 'home'], md: [{ name: 'md0', uuid: 'a:b' }], doubts: [] }
  const proposed = await result('SR.probe', { configuration: {}, dbg })
  t.ok(Array.isArray(proposed) && proposed.length === 3)
  if (Array.isArray(proposed)) for (const each of proposed) assertProbed(t, each)

  const { uuid, name, description } = CREATE
  const device = await result('SR.create', { description, name, configuration: CONFIGURATION, uuid, dbg })
  t.strictSame(device, ATTACH.configuration)
  t.equal(await result('SR.attach', { configuration: device, dbg }), URI)
  const sr = URI
  // SR.attach of the toolstack is both, and fails if the second does (main.ml:976-1025).
  assertStat(t, await result('SR.stat', { sr, dbg }))
  t.equal(await result('SR.attach', { configuration: device, dbg }), URI, 'plugged again without an unplug')
  host.statuses.clear()
  const unwatched = await result('SR.stat', { sr, dbg })
  assertStat(t, unwatched)
  t.match(unwatched, { health: ['Recovering', /unknown/] })
  t.strictSame(await result('SR.ls', { sr, dbg }), [])
  t.equal(await result('SR.set_name', { new_name: 'n', sr, dbg }), null)
  t.equal(await result('SR.set_description', { new_description: '', sr, dbg }), null)
  t.match(await result('SR.stat', { dbg, sr }), { name: 'n', description: '' }, 'in whatever order')
  const known = await result('SR.probe', { configuration: {}, dbg })
  t.ok(Array.isArray(known) && known.length === 4)
  if (Array.isArray(known)) for (const each of known) assertProbed(t, each)
  const one = await result('SR.probe', { configuration: { sr_uuid: SR }, dbg })
  t.ok(Array.isArray(one) && one.length === 1)
  if (Array.isArray(one)) for (const each of one) assertProbed(t, each)

  t.equal(await result('SR.destroy', { sr, dbg }), null)
  t.equal(await result('SR.detach', { sr, dbg }), null, 'which still comes')
  t.match(await error('SR.stat', { sr, dbg }), { code: 'SR_does_not_exist', params: [SR] })
  t.match(await error('SR.probe', { configuration: { drdb: 'x' }, dbg }), { code: 'SR_BACKEND_FAILURE' })
  t.strictSame(host.bugs, [])
})

t.test('an SR has no volumes: every Volume method is a well-formed error', async t => {
  const { error } = await toolstack(t)
  const parameters = { sr: URI, key: 'x', name: '', description: '', size: 1, dbg: '' }
  const errors = await Promise.all(VOLUME_METHODS.map(method => error(method, parameters)))
  for (const [index, method] of VOLUME_METHODS.entries()) {
    t.match(errors[index], { code: 'Unimplemented', params: [method] })
  }
})

t.test('any text on stdin gets a well-formed answer', async t => {
  const { error, env } = await toolstack(t)
  t.match(await error('SR.stat', {}), { code: 'SR_BACKEND_FAILURE', params: ['', /sr must be a string/, ''] })
  t.match(await error('SR.stat', { sr: 'x'.repeat(70_000) }), { params: ['', /too long/, String] })
  const away = new StorageScript(FOLDER, { ...env, RESYNC_MONITOR_SOCKET: '/nowhere/agent.sock' })
  const called = await away.call('SR.stat', { sr: 'x'.repeat(10_000) })
  t.match(called, { error: { code: 'SR_BACKEND_FAILURE', params: ['', /not running/, String] } }, 'without an agent')
})

t.test('the script works through a link to its folder and with a minimal environment', async t => {
  const { env } = await toolstack(t)
  const linked = join(folderOf(t), 'org.xen.xapi.storage.resync-monitor')
  symlinkSync(FOLDER, linked)
  t.match(await new StorageScript(linked, env).call('Plugin.ls', { dbg: '' }), { result: [] })
  const node = { ...env, PATH: '', RESYNC_MONITOR_NODE: process.execPath }
  t.match(await new StorageScript(linked, node).call('Plugin.ls', { dbg: '' }), { result: [] }, 'without curl')
})
