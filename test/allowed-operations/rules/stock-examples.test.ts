import { existsSync, readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import { whatIf } from '../../../src/allowed-operations/what-if.ts'

const EXAMPLES = resolve(import.meta.dirname, '../../../../shared/examples/xapi-valid-operations.jsonl')
const NOW = Date.parse('2026-11-22T16:00:00Z')

interface Findings {
  readonly errors: Record<string, Record<string, readonly string[] | null>>
  readonly allowed_operations?: Record<string, readonly string[]>
  readonly steps?: readonly { readonly hosts: Record<string, { readonly allowed_operations: readonly string[] }> }[]
}

interface Example {
  readonly description: string
  readonly input: unknown
  readonly shipped: Findings
}

/** Recorded from the real code of xapi (xen-api e2ee48d688), in the schema of what-if questions. */
function readExamples(): readonly Example[] {
  const lines = readFileSync(EXAMPLES, 'utf8').split('\n')
  return lines.filter(line => line !== '').map((line): Example => JSON.parse(line))
}

if (!existsSync(EXAMPLES)) {
  t.comment(`skipped: the recorded examples of xapi are not there (${EXAMPLES})`)
} else {
  const examples = readExamples()

  t.test('the stock rules answer as xapi does', async t => {
    t.equal(examples.length, 48)
    for (const { description, input, shipped } of examples) {
      const { reasons, ...answer } = JSON.parse(
        JSON.stringify(whatIf(JSON.stringify(input), { rules: 'stock', policy: 'conservative', now: NOW })),
      )
      t.ok(Object.values(reasons).every(ofHost => JSON.stringify(ofHost) === '{}'))
      // A recording in steps has its allowed operations in the first step, which computes them for all hosts.
      const { steps, ...whole } = shipped
      const first = steps?.[0]?.hosts
      const expected =
        first === undefined
          ? whole
          : {
              ...whole,
              allowed_operations: Object.fromEntries(
                Object.entries(first).map(([host, { allowed_operations }]) => [host, allowed_operations]),
              ),
            }
      t.strictSame(answer, expected, description)
    }
  })

  t.test("the gate keeps the errors of xapi's ordinary rules, and only adds its own", async t => {
    for (const { description, input, shipped } of examples) {
      const answer: Findings = JSON.parse(
        JSON.stringify(whatIf(JSON.stringify(input), { rules: 'project', policy: 'conservative', now: NOW })),
      )
      const ordinary = (error: readonly string[] | null) => (error?.[0] === 'CLUSTERED_SR_DEGRADED' ? null : error)
      const expected = mapErrors(shipped.errors, ordinary)
      t.strictSame(mapErrors(answer.errors, ordinary), expected, description)
    }
  })
}

function mapErrors<T>(errors: Findings['errors'], change: (error: readonly string[] | null) => T) {
  return Object.entries(errors).map(([host, table]) => [
    host,
    Object.entries(table).map(([operation, error]) => [operation, change(error)]),
  ])
}

function stock(input: object): unknown {
  return whatIf(JSON.stringify(input), { rules: 'stock', policy: 'conservative', now: NOW })
}

const HOST = { live: false, enabled: false, current_operations: [], power_on_mode: 'DRAC' }

t.test('a PBD whose SR has no record makes xapi raise and keep the stored value', async t => {
  const hosts = [
    { ...HOST, ref: 'h1', allowed_operations: ['evacuate', 'reboot'] },
    { ...HOST, ref: 'h2' },
  ]
  const pbds = [
    { ref: 'p1', host: 'h1', sr: 'gone1', currently_attached: true },
    { ref: 'p2', host: 'h1', sr: 'gone2', currently_attached: true },
    { ref: 'p3', host: 'h1', sr: 'sr1', currently_attached: true },
  ]
  const text = 'Db_exn.DBCache_NotFound("missing row","SR","gone2")'
  t.strictSame(stock({ id: 'x', hosts, srs: [{ ref: 'sr1', clustered: false }], pbds }), {
    id: 'x',
    errors: {},
    allowed_operations: { h1: ['evacuate', 'reboot'], h2: [] },
    reasons: { h1: {}, h2: {} },
    exceptions: { h1: text, h2: text },
  })
})

t.test('a dangling PBD that is not attached is ignored', async t => {
  const pbds = [{ host: 'h1', sr: 'gone', currently_attached: false }]
  t.match(stock({ hosts: [{ ...HOST, ref: 'h1' }], srs: [], pbds }), { id: null, errors: { h1: { reboot: null } } })
})

t.test('of several recovering SRs the error names the one whose last PBD has the highest ref', async t => {
  const pbds = [
    { ref: 'p4', host: 'h1', sr: 'a', currently_attached: true },
    { ref: 'p3', host: 'h1', sr: 'b', currently_attached: true },
    { ref: 'p1', host: 'h2', sr: 'a', currently_attached: true },
  ]
  const srs = [
    { ref: 'a', clustered: true },
    { ref: 'b', clustered: true },
  ]
  const tasks = ['a', 'b'].map(name_description => ({ name_label: 'SR Recovering', name_description }))
  t.match(stock({ hosts: [{ ...HOST, ref: 'h1' }], srs, pbds, tasks }), {
    errors: { h1: { reboot: ['CLUSTERED_SR_DEGRADED', 'b'] } },
  })
})

t.test('power_on: live, then the mode, then the plugin', async t => {
  const errorOf = (host: object, power_on_plugin: boolean) =>
    stock({ hosts: [{ ...HOST, ref: 'h', ...host }], srs: [], pbds: [], power_on_plugin })
  t.match(errorOf({ live: true, power_on_mode: '' }, false), { errors: { h: { power_on: ['HOST_IS_LIVE', 'h'] } } })
  t.match(errorOf({ power_on_mode: '' }, false), { errors: { h: { power_on: ['HOST_POWER_ON_MODE_DISABLED'] } } })
  t.match(errorOf({}, false), { errors: { h: { power_on: ['XENAPI_MISSING_PLUGIN', 'power-on-host'] } } })
  t.match(errorOf({ live: null }, true), { errors: { h: { power_on: null } } })
})
