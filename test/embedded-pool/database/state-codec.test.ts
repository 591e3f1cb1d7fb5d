import { createHash } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { StateFileError } from '../../../src/embedded-pool/database/state-file.ts'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { firstOf, oneAtATime, patientMachines } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-state-text-'))
t.teardown(() => rmSync(folder, { recursive: true }))

let files = 0
function newPath(): string {
  files += 1
  return join(folder, `pool-${files}`)
}

/** A pool without a server. */
function poolOf({ stateFile }: { readonly stateFile: string }) {
  return new EmbeddedPool({
    clock: machineClock,
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: () => true,
    stateFile,
  })
}

t.test(
  'a file that is not a complete, unchanged state of this schema is an error and never starts a new pool',
  async t => {
    const stateFile = newPath()
    const pool = poolOf({ stateFile })
    const { sr } = pool.seed(['a'])
    await pool.close()
    const good = readFileSync(stateFile, 'utf8')
    const [, body = ''] = good.split('\n')
    const signed = (text: string, header: object = {}) => {
      const sha256 = createHash('sha256').update(`${text}\n`).digest('hex')
      return `${JSON.stringify({ format: 'resync-monitor pool state', schema: 1, sha256, ...header })}\n${text}\n`
    }
    t.equal(signed(body), good)
    const changed = (
      change: (
        state: { tables: Record<string, Record<string, Record<string, unknown>>> } & Record<string, unknown>,
      ) => void,
    ) => {
      const state = JSON.parse(body)
      change(state)
      return signed(JSON.stringify(state))
    }
    const only = (table: Record<string, Record<string, unknown>> | undefined) => firstOf(Object.values(table ?? {}))
    const cases: readonly (readonly [title: string, text: string, problem: RegExp])[] = [
      ['empty', '', /it is not a pool state of resync-monitor/],
      ['another file', '{"hosts":[]}\n', /it is not a pool state/],
      ['no JSON', 'hello\n', /it is not a pool state/],
      ['a newer schema', signed(body, { schema: 2 }), /its schema is 2; this version reads schema 1/],
      ['incomplete', good.slice(0, -10), /it is incomplete or was edited/],
      ['edited by hand', good.replace('"live":true', '"live":false'), /it is incomplete or was edited/],
      ['signed, no JSON', signed('{'), /it is not a JSON object/],
      ['no generation', changed(state => delete state.generation), /generation is not a whole number/],
      ['a negative generation', changed(state => (state.generation = -1)), /generation is not a whole number/],
      ['no tables', signed('{"generation":1}'), /tables is not an object/],
      [
        'a table that is no object',
        changed(state => Reflect.set(state.tables, 'SR', [])),
        /tables.SR is not an object/,
      ],
      ['a table that is missing', changed(state => delete state.tables.message), /tables.message is not an object/],
      ['an invalid ref', changed(state => Reflect.set(state.tables, 'SR', { x: {} })), /tables.SR: "x" is not a ref/],
      [
        'a record that is no object',
        changed(state => Reflect.set(state.tables.SR ?? {}, sr, 1)),
        /\] is not an object/,
      ],
      [
        'an unknown field',
        changed(state => (only(state.tables.host).color = 'red')),
        /\.color is not a field of this class/,
      ],
      ['a missing uuid', changed(state => delete only(state.tables.host).uuid), /\.uuid is missing or not a string/],
      [
        'missing metrics',
        changed(state => delete only(state.tables.host).metrics),
        /the metrics of host .* is OpaqueRef:NULL/,
      ],
      [
        'a flag that is a string',
        changed(state => (only(state.tables.host).enabled = 'yes')),
        /\.enabled is missing or not a flag/,
      ],
      [
        'a map of numbers',
        changed(state => (only(state.tables.host).other_config = { a: 1 })),
        /or not a map of strings/,
      ],
      ['a list of numbers', changed(state => (only(state.tables.host).tags = [1])), /or not a list of strings/],
      ['no pool', changed(state => (state.tables.pool = {})), /exactly one pool/],
      [
        'a coordinator that does not exist',
        changed(state => (only(state.tables.pool).master = sr)),
        /the coordinator is .* no such host/,
      ],
      [
        'metrics that do not exist',
        changed(state => (only(state.tables.host).metrics = sr)),
        /the metrics of host .* no such host_metrics/,
      ],
      [
        'an SR that does not exist',
        changed(state => Object.assign(state.tables, { SR: {} })),
        /the SR of PBD .* no such SR/,
      ],
      [
        'PBDs that are none',
        changed(state => (only(state.tables.SR).PBDs = [])),
        /the PBDs field of SR .* does not list the PBDs that refer to it/,
      ],
      ['hosts that are no object', changed(state => (state.hosts = null)), /hosts is not an object/],
      ['an invalid memory', changed(state => (state.hosts = { x: { left: 1 } })), /hosts\[x\] is not a valid memory/],
      [
        'a memory of an unknown host',
        changed(state => (state.hosts = { x: { toldAtMs: null, left: true } })),
        /a host in hosts is x/,
      ],
    ]
    for (const [title, text, problem] of cases) {
      const path = newPath()
      writeFileSync(path, text)
      const error = t.throws(() => poolOf({ stateFile: path }), StateFileError, title)
      t.match(error, { path, message: problem }, title)
      t.ok(String(Reflect.get(Object(error), 'message')).startsWith(`state file ${path}: `))
      t.equal(readFileSync(path, 'utf8'), text, 'the file is unchanged')
    }
    t.throws(() => poolOf({ stateFile: folder }), { name: 'StateFileError', message: /is a directory/ })
    const sparse = newPath()
    writeFileSync(sparse, '')
    truncateSync(sparse, 300_000_000)
    t.throws(() => poolOf({ stateFile: sparse }), { name: 'StateFileError', message: /larger than 268435456 bytes/ })
    t.throws(() => poolOf({ stateFile: join(stateFile, 'file inside a file') }), {
      name: 'StateFileError',
      message: /is not a directory/,
    })
  },
)

t.test('a file of an earlier version with fewer fields gets the default values', async t => {
  const stateFile = newPath()
  const first = poolOf({ stateFile })
  const { sr, hosts } = first.seed(['a'], { type: 'linstor' })
  await first.close()
  const [, body = ''] = readFileSync(stateFile, 'utf8').split('\n')
  const state = JSON.parse(body)
  delete state.tables.SR[sr].tags
  delete state.tables.host[firstOf(hosts).ref].software_version
  const text = `${JSON.stringify(state)}\n`
  const sha256 = createHash('sha256').update(text).digest('hex')
  writeFileSync(stateFile, `${JSON.stringify({ format: 'resync-monitor pool state', schema: 1, sha256 })}\n${text}`)
  const second = poolOf({ stateFile })
  t.strictSame(second.list('SR'), first.list('SR'))
  t.strictSame(second.list('host'), first.list('host'))
  await second.close()
})
