import fc from 'fast-check'
import t from 'tap'
import { decodePoolState } from '../../src/allowed-operations/pool/pool-state-decode.ts'
import { whatIf } from '../../src/allowed-operations/what-if.ts'
import { iso, NOW, RESYNCING, report } from './pool-of-three.ts'

const HOST_A = { ref: 'a', live: true, enabled: false }
const HOST_B = { ref: 'b', live: true, enabled: false, uuid: 'uuid-b' }
const POOL = {
  id: 7,
  hosts: [HOST_A, HOST_B],
  srs: [{ ref: 'sr', uuid: 'uuid-sr', clustered: true }],
  pbds: [
    { host: 'a', sr: 'sr', currently_attached: true },
    { host: 'b', sr: 'sr', currently_attached: true },
  ],
  reports: [
    { ...report('a', { sr: 'sr' }), host: 'a' },
    { ...report('b', { at: iso(NOW - 120_000) }), confirmed_at: iso(NOW - 20_000) },
  ],
}

function project(pool: unknown, policy: 'conservative' | 'placement' = 'conservative') {
  return whatIf(JSON.stringify(pool), { rules: 'project', policy, now: NOW })
}

t.test('every field of a pool is read', async t => {
  const decoded = decodePoolState({
    hosts: [
      {
        ref: 'a',
        uuid: 'ua',
        hostname: 'ha',
        name_label: 'A',
        metrics: 'a:metrics',
        live: null,
        live_since: '2026-11-22T16:00:00Z',
        boot_time: '1700000000.',
        boot_id: 'boot',
        power_on_mode: 'DRAC',
        current_operations: [['t1', 'reboot']],
        allowed_operations: ['enable'],
        leaving: true,
      },
      { ref: 'b', live: false, boot_time: 1700000000.5, current_operations: [] },
    ],
    srs: [{ ref: 'sr', uuid: 'us', name_label: 'S', clustered: false, type: 'linstor', other_config: { k: '' } }],
    pbds: [
      { host: 'a', sr: 'sr', currently_attached: false },
      { ref: 'p', host: 'b', sr: 'sr', currently_attached: true },
    ],
    tasks: [{ ref: 't', name_label: '', name_description: 'd' }],
    overrides: [
      { host: 'ua', reason: 'why', expires: '2026-11-22T17:00:00+01:00', by: 'root' },
      { host: 'gone', reason: 'why', expires: 0 },
    ],
    power_on_plugin: false,
    rolling_upgrade: true,
    steps: 'unknown keys are ignored',
  })
  t.strictSame(decoded, {
    pool: {
      hosts: [
        {
          ref: 'a',
          uuid: 'ua',
          hostname: 'ha',
          nameLabel: 'A',
          enabled: true,
          live: null,
          liveSinceMs: NOW,
          bootTimeMs: 1_700_000_000_000,
          bootId: 'boot',
          powerOnMode: 'DRAC',
          currentOperations: [{ task: 't1', operation: 'reboot' }],
          allowedOperations: ['enable'],
          leaving: true,
        },
        {
          ref: 'b',
          enabled: true,
          live: false,
          liveSinceMs: null,
          bootTimeMs: 1_700_000_000_500,
          powerOnMode: '',
          currentOperations: [],
          allowedOperations: [],
          leaving: false,
        },
      ],
      srs: [{ ref: 'sr', uuid: 'us', nameLabel: 'S', clustered: false, type: 'linstor', otherConfig: { k: '' } }],
      pbds: [
        { ref: 'OpaqueRef:pbd-0000', host: 'a', sr: 'sr', currentlyAttached: false },
        { ref: 'p', host: 'b', sr: 'sr', currentlyAttached: true },
      ],
      tasks: [{ nameLabel: '', nameDescription: 'd' }],
      reports: [],
      overrides: [
        { host: 'a', reason: 'why', expiresMs: NOW, by: 'root' },
        { host: 'gone', reason: 'why', expiresMs: 0 },
      ],
      powerOnPlugin: false,
      rollingUpgrade: true,
    },
  })
})

t.test('an invalid line is answered with a sentence that names the place', async t => {
  const host = (changes: object) => ({ ...POOL, hosts: [{ ...HOST_A, ...changes }] })
  const table: readonly [input: unknown, sentence: string][] = [
    [[], 'the whole: expected an object'],
    [null, 'the whole: expected an object'],
    [{ srs: [], pbds: [] }, 'hosts: expected a list'],
    [{ hosts: [], pbds: [] }, 'srs: expected a list'],
    [{ hosts: [], srs: [] }, 'pbds: expected a list'],
    [{ ...POOL, hosts: ['a'] }, 'hosts[0]: expected an object'],
    [host({ ref: '' }), 'hosts[0].ref: expected a string that is not empty'],
    [host({ ref: 'x'.repeat(5000) }), 'hosts[0].ref: expected a string of at most 4096 characters'],
    [host({ live: 'yes' }), 'hosts[0].live: expected true or false'],
    [{ ...POOL, hosts: [{ ref: 'a' }] }, 'hosts[0].live: expected true or false'],
    [{ ...POOL, hosts: [HOST_A, HOST_A] }, 'hosts[1].ref: expected a ref that no other has'],
    [
      { ...POOL, hosts: Array.from({ length: 1025 }, (_, ref) => ({ ref: `${ref}`, live: true })) },
      'hosts: expected at most 1024 items',
    ],
    [
      host({ current_operations: [['t']] }),
      'hosts[0].current_operations[0]: expected a pair of a task and an operation',
    ],
    [host({ current_operations: [['t', 'reboot', 'x']] }), 'hosts[0].current_operations[0]: expected at most 2 items'],
    [
      host({ current_operations: [['t', 'nap']] }),
      'hosts[0].current_operations[0][1]: expected one of provision, evacuate, shutdown, reboot, power_on, vm_start, vm_resume, vm_migrate, apply_updates, enable',
    ],
    [
      host({ boot_time: 'noon' }),
      'hosts[0].boot_time: expected an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z',
    ],
    [
      host({ live_since: '2026-11-22T16:00:00' }),
      'hosts[0].live_since: expected an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z',
    ],
    [
      host({ boot_time: -1 }),
      'hosts[0].boot_time: expected an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z',
    ],
    [{ ...POOL, srs: [{ ref: 'sr' }] }, 'srs[0].clustered: expected true or false'],
    [
      { ...POOL, srs: [{ ref: 'sr', clustered: true, other_config: [] }] },
      'srs[0].other_config: expected an object of strings',
    ],
    [
      { ...POOL, srs: [{ ref: 'sr', clustered: true, other_config: { k: 1 } }] },
      'srs[0].other_config.k: expected a string of at most 4096 characters',
    ],
    [
      {
        ...POOL,
        srs: [
          {
            ref: 'sr',
            clustered: true,
            other_config: Object.fromEntries(Array.from({ length: 1025 }, (_, key) => [key, ''])),
          },
        ],
      },
      'srs[0].other_config: expected at most 1024 members',
    ],
    [
      { ...POOL, overrides: [{ host: 'a', expires: 1 }] },
      'overrides[0].reason: expected a string of at most 4096 characters',
    ],
    [{ ...POOL, reports: {} }, 'reports: expected a list'],
    [
      { ...POOL, reports: [{ confirmed_at: true }] },
      'reports[0].confirmed_at: expected an ISO 8601 time with a zone, such as 2026-11-22T16:19:05Z',
    ],
    [{ ...POOL, rolling_upgrade: 1 }, 'rolling_upgrade: expected true or false'],
  ]
  for (const [input, sentence] of table) {
    const id = typeof input === 'object' && input !== null && 'id' in input ? input.id : null
    t.strictSame(project(input), { id, bad_input: sentence }, sentence)
  }
  const options = { rules: 'stock', policy: 'conservative', now: NOW } as const
  t.strictSame(whatIf('{"id":', options), { id: null, bad_input: 'the line is not JSON' })
  t.strictSame(whatIf(' '.repeat(16 * 1024 * 1024 + 1), options), {
    id: null,
    bad_input: 'the line is longer than 16 MiB',
  })
})

t.test('reports name their host and SR by uuid or ref, and their confirmation', async t => {
  t.match(project(POOL), { id: 7, errors: { a: { reboot: null }, b: { reboot: null } }, reasons: { a: {}, b: {} } })
  const [first, second] = POOL.reports
  const late = project({ ...POOL, reports: [first, report('b', { at: iso(NOW - 120_000) })] })
  t.match(
    late,
    { reasons: { a: { reboot: [{ code: 'lease-expired', host: 'b' }] } } },
    'as old as it is, if not confirmed',
  )
  const strangers = project({
    ...POOL,
    reports: [first, second, report('gone'), { ...report('b'), sr: 'gone' }, 'cut', 5],
  })
  t.match(strangers, { errors: { a: { reboot: null } } }, 'reports of unknown hosts and SRs are ignored')
  const bad = project({ ...POOL, reports: [first, { ...second, schema: 2 }] })
  t.match(bad, { reasons: { b: { reboot: [{ code: 'report-unknown-schema', host: 'b' }] } } })
  const cut = project({ ...POOL, reports: [first, { host: 'b', sr: 'sr' }] })
  t.match(cut, { reasons: { b: { reboot: [{ code: 'report-unknown-schema', host: 'b' }] } } })
})

t.test('the gate answers with errors, allowed operations and reasons', async t => {
  const [first] = POOL.reports
  const answer = project({ ...POOL, reports: [first, report('b', RESYNCING)] }, 'placement')
  const error = ['CLUSTERED_SR_DEGRADED', 'sr']
  const reasons = [
    { code: 'not-synced', host: 'b', sr: 'sr', clearedBy: 'time', state: 'resyncing', mirrorReasons: [] },
    { code: 'mirror-list-missing', host: 'a', sr: 'sr', clearedBy: 'time' },
    { code: 'mirror-list-missing', host: 'b', sr: 'sr', clearedBy: 'time' },
  ]
  const ofHost = (ref: string) => ({
    provision: null,
    evacuate: null,
    shutdown: error,
    reboot: error,
    power_on: ['HOST_IS_LIVE', ref],
    vm_start: null,
    vm_resume: null,
    vm_migrate: null,
    apply_updates: error,
    enable: null,
  })
  const allowed = ['provision', 'evacuate', 'vm_start', 'vm_resume', 'vm_migrate', 'enable']
  t.strictSame(answer, {
    id: 7,
    errors: { a: ofHost('a'), b: ofHost('b') },
    allowed_operations: { a: allowed, b: allowed },
    reasons: {
      a: { shutdown: reasons, reboot: reasons, apply_updates: reasons },
      b: { shutdown: reasons, reboot: reasons, apply_updates: reasons },
    },
  })
})

t.test('a host may have any name', async t => {
  const odd = project({ hosts: [{ ref: '__proto__', live: true }], srs: [], pbds: [] })
  t.match(JSON.stringify(odd), /"errors":{"__proto__":{"provision":null/)
})

t.test('property: any line is answered, with an object that is JSON', async t => {
  const options = { rules: 'project', policy: 'placement', now: NOW } as const
  const answers = (line: string) => {
    const answer = JSON.parse(JSON.stringify(whatIf(line, options)))
    return 'bad_input' in answer || 'allowed_operations' in answer
  }
  fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), answers))
  const keys = ['hosts', 'srs', 'pbds', 'tasks', 'reports', 'overrides'] as const
  const records = fc.array(
    fc.oneof(fc.jsonValue(), fc.constantFrom(HOST_A, POOL.srs[0], POOL.pbds[0], POOL.reports[0])),
  )
  const almost = fc.record(
    { hosts: records, srs: records, pbds: records, tasks: records, reports: records, overrides: records },
    { requiredKeys: [] },
  )
  fc.assert(
    fc.property(almost, fc.constantFrom(...keys), (part, key) =>
      answers(JSON.stringify({ ...POOL, [key]: part[key] })),
    ),
  )
  t.pass()
})

t.test('a line that is nested too deep is invalid input', async t => {
  const deep = '['.repeat(20_000) + ']'.repeat(20_000)
  for (const line of [
    deep,
    `{"id":${deep}}`,
    `{"id":1,"hosts":[],"srs":[],"pbds":[],"reports":[{"schema":${deep}}]}`,
  ]) {
    const answer = whatIf(line, { rules: 'project', policy: 'placement', now: 0 })
    t.strictSame(JSON.parse(JSON.stringify(answer)), { id: null, bad_input: 'the line is nested too deep' })
  }
})
