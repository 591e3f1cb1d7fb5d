import t from 'tap'
import { describeGate } from '../../../src/allowed-operations/reason/describe-gate.ts'
import { GATE_REASONS } from '../../../src/allowed-operations/reason/gate-reason.ts'
import { host, NOW, pool } from '../pool-of-three.ts'

t.test('every reason has a sentence that names the host and says what clears it', async t => {
  const about = { host: 'OpaqueRef:b', sr: 'OpaqueRef:sr', clearedBy: 'time' } as const
  for (const code of Object.keys(GATE_REASONS) as (keyof typeof GATE_REASONS)[]) {
    t.match(
      describeGate({ ...about, code }, { hosts: [], srs: [] }),
      /^SR OpaqueRef:sr: .*OpaqueRef:b.* \(clears by itself\)$/,
      code,
    )
  }
})

t.test('sentences', async t => {
  const named = pool({ hosts: [host('a', { nameLabel: 'Alpha' }), host('b', { hostname: 'beta' })] })
  const running = { code: 'resync-running', mirror: 'vol/0', clearedBy: 'time', peer: 'alpha', side: 'target' } as const
  const about = { host: 'b', sr: 'sr', clearedBy: 'time' } as const
  t.equal(
    describeGate({ ...about, code: 'not-synced', state: 'resyncing', mirrorReasons: [running] }, named),
    'SR uuid-sr: beta is resynchronising: vol/0 is copying data from alpha (clears by itself)',
  )
  t.equal(
    describeGate(
      {
        ...about,
        code: 'not-synced',
        state: 'degraded',
        clearedBy: 'operator',
        mirrorReasons: [1, 2, 3, 4].map(each => ({
          code: 'code-of-2030',
          mirror: `vol/${each}`,
          clearedBy: each === 2 ? 'operator' : 'time',
        })),
        mirrorReasonsOmitted: 5,
      },
      named,
    ),
    'SR uuid-sr: beta is degraded: vol/1: code-of-2030 (clears by itself); vol/2: code-of-2030 (needs an operator); vol/3: code-of-2030 (clears by itself) and 6 more',
  )
  t.equal(
    describeGate({ ...about, code: 'contradicted-by-peer', peer: 'a', mirrors: ['v1', 'v2', 'v3', 'v4'] }, named),
    'SR uuid-sr: beta reports in sync, and Alpha reports that it is not: v1, v2, v3 and 1 more (clears by itself)',
  )
  t.equal(
    describeGate({ ...about, code: 'last-replica', mirrorCount: 12 }),
    'SR sr: no current replica would remain by the report of b: 12 mirror(s) (clears by itself)',
  )
  t.equal(
    describeGate({ ...about, code: 'quorum-loss', mirrorCount: 1, mirrors: [] }),
    'SR sr: the majority would be lost by the report of b: 1 mirror(s) (clears by itself)',
  )
  t.equal(
    describeGate({ ...about, code: 'peer-unknown', clearedBy: 'operator', unknownPeers: ['x', 'y'], mirrors: ['v'] }),
    'SR sr: x, y is neither a host of the pool nor named as an outside peer, by the report of b: v (needs an operator)',
  )
  t.equal(
    describeGate({ ...about, code: 'host-not-live' }, named),
    'SR uuid-sr: beta is down because it has an order to reboot (clears by itself)',
  )
  t.equal(
    describeGate({ ...about, code: 'host-shut-down', clearedBy: 'operator' }, named),
    'SR uuid-sr: beta has an order to shut down and does not come back by itself; power it on (needs an operator)',
  )
  t.equal(
    describeGate({ ...about, code: 'told-to-go-and-still-here', clearedBy: 'operator' }, named),
    'SR uuid-sr: beta has an order to go down and still runs a minute later; carry the order out there, or clear it (needs an operator)',
  )
  t.equal(
    describeGate({ ...about, code: 'host-not-live', clearedBy: 'operator' }, named),
    'SR uuid-sr: beta is down (needs an operator)',
  )
  const override = { host: 'b', reason: 'burnt disk', expiresMs: NOW }
  t.equal(
    describeGate({ ...about, code: 'no-report', override }, named),
    'SR uuid-sr: the pool has no report from beta; check its agent if this lasts (clears by itself); allowed by override of somebody until 2026-11-22T16:00:00.000Z: burnt disk',
  )
  t.match(
    describeGate({ ...about, code: 'no-report', override: { ...override, by: 'root' } }, named),
    /; allowed by override of root until 2026-11-22T16:00:00.000Z: burnt disk$/,
  )
  t.equal(
    describeGate({
      ...about,
      code: 'override-expired',
      clearedBy: 'operator',
      override: { ...override, expiresMs: 9e15 },
    }),
    'SR sr: the override for b (burnt disk) has expired at an unknown time (needs an operator)',
  )
})

t.test('a host without a name is named by its host name, and without that by its UUID', async t => {
  const reason = { code: 'host-going-down', host: 'a', sr: 'sr', clearedBy: 'time' } as const
  const sentence = (names: object) => describeGate(reason, pool({ hosts: [host('a', names)] }))
  t.match(sentence({ nameLabel: '', hostname: 'alpha' }), ': alpha is about to go down')
  t.match(sentence({ nameLabel: ' ', hostname: '', uuid: 'u-1' }), ': u-1 is about to go down')
})
