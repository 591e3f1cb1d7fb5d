import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import t from 'tap'
import type { GateReasonCode } from '../../src/allowed-operations/reason/gate-reason.ts'
import { GATE_REASONS, gateRemedy } from '../../src/allowed-operations/reason/gate-reason.ts'
import { REASONS, type ReasonCode, reason, remedy } from '../../src/sync-query/reason/reason.ts'

const TEXT = readFileSync(resolve(import.meta.dirname, '../../docs/TROUBLESHOOTING.md'), 'utf8')
const HOST = { uuid: '0a0a0a0a-0000-4000-8000-000000000002', name: 'hostB' }
const SR = '5c5c5c5c-0000-4000-8000-000000000001'

/** The verb of a command, without its objects; `null` for a command that only reads. */
function verbOf(command: string): string | null {
  const [, verb] =
    /^(drbdadm (?!status|dump)[a-z-]+|mdadm (?:--manage \S+ )?--(?!detail)[a-z-]+|echo \w+|xe (?!pbd-list)[a-z-]+|systemctl restart|chronyc makestep|resync-monitor override)/.exec(
      command,
    ) ?? []
  return verb?.replace(/--manage \S+ /, '') ?? null
}

t.test('the commands that explain prints for a code are in its entry of TROUBLESHOOTING.md', async t => {
  const commands = new Map<string, string[]>()
  for (const code of Object.keys(REASONS) as ReasonCode[]) {
    const both = ['r0/0', 'md0'].flatMap(mirror => remedy(reason(code, mirror), SR, 'hostA').steps)
    commands.set(
      code,
      both.flatMap(step => step.commands),
    )
  }
  for (const code of Object.keys(GATE_REASONS) as GateReasonCode[]) {
    commands.set(
      code,
      gateRemedy(code, { host: HOST, sr: SR, clearedBy: GATE_REASONS[code].clearedBy }).steps.flatMap(
        step => step.commands,
      ),
    )
  }
  for (const [code, printed] of commands) {
    const [entry = ''] = new RegExp(`^\\| \`${code}\` .*$`, 'm').exec(TEXT) ?? []
    const missing = printed
      .flatMap(command => verbOf(command) ?? [])
      .filter(verb => {
        const [tool = '', ...rest] = verb.split(' ')
        return !entry.includes(tool) || !entry.includes(rest.join(' '))
      })
    t.strictSame([...new Set(missing)], [], code)
  }
})
