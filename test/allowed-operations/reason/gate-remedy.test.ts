import { execFileSync } from 'node:child_process'
import t from 'tap'
import type { GateReasonCode } from '../../../src/allowed-operations/reason/gate-reason.ts'
import { GATE_REASONS, gateRemedy, isGateReasonCode } from '../../../src/allowed-operations/reason/gate-reason.ts'
import type { ClearedBy } from '../../../src/sync-query/reason/reason-kind.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const HOST = { uuid: '0a0a0a0a-0000-4000-8000-000000000002', name: "b'; reboot" }
const CODES = Object.keys(GATE_REASONS) as GateReasonCode[]

t.test(
  'every reason of the gate has a remedy with commands that bash can read, whatever the host is called',
  async t => {
    const cases = CODES.flatMap(code => (['time', 'operator'] as const).map(clearedBy => [code, clearedBy] as const))
    const scripts = cases.flatMap(([code, clearedBy]) => {
      const { text, steps } = gateRemedy(code, { host: HOST, sr: SR, clearedBy })
      t.match(text, /^[A-Z].*[.)]$/, code)
      t.ok(steps.length > 0, code)
      t.notMatch(JSON.stringify(steps), /undefined/)
      return steps.flatMap(({ commands }) => commands)
    })
    execFileSync('bash', ['-n'], { input: scripts.join('\n') })
    t.ok(scripts.includes("resync-monitor wait --host 'b'\\''; reboot'"))
    t.notOk(
      scripts.some(command => /xe host-(forget|reboot|shutdown)|override.*--reason/.test(command)),
      'none takes a risk',
    )
  },
)

t.test('commands', async t => {
  const about = { host: { ...HOST, name: 'hostB' }, sr: SR }
  const commandsOf = (code: GateReasonCode, clearedBy: ClearedBy = GATE_REASONS[code].clearedBy) =>
    gateRemedy(code, { ...about, clearedBy }).steps.flatMap(({ on, commands }) =>
      commands.map(command => `${on}: ${command}`),
    )
  t.strictSame(commandsOf('host-going-down'), ['anywhere: resync-monitor wait --host hostB'])
  t.strictSame(
    commandsOf('host-not-live'),
    ['host: systemctl status resync-monitor-agent', `coordinator: xe host-power-on uuid=${HOST.uuid}`],
    'it may be its agent alone that is down',
  )
  t.strictSame(
    commandsOf('host-not-live', 'time'),
    ['anywhere: resync-monitor wait --host hostB'],
    'a planned reboot is waited for',
  )
  t.strictSame(commandsOf('not-synced'), [`host: resync-monitor explain ${SR}`, `host: resync-monitor wait --sr ${SR}`])
  t.match(commandsOf('lease-expired')[0], 'host: systemctl status resync-monitor-agent')
})

t.test('a code of another version is not known', async t => {
  t.ok(isGateReasonCode('lease-expired'))
  for (const code of ['no-such', 'toString', '']) t.notOk(isGateReasonCode(code), code)
})
