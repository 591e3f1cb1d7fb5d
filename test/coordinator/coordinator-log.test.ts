import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { coordinatorLog } from '../../src/coordinator/coordinator-log.ts'
import { DECISION_LINES } from '../../src/updater/decision-lines.ts'

const DOCS = join(import.meta.dirname, '../../docs')

t.test('docs/CONFIGURATION.md names every line of the decision log', async t => {
  const text = readFileSync(join(DOCS, 'CONFIGURATION.md'), 'utf8')
  t.strictSame(
    Object.keys(DECISION_LINES).filter(event => !text.includes(`\`${event}\``)),
    [],
  )
})

t.test('a code has its usual level unless the caller gives another', async t => {
  const entries: unknown[] = []
  const log = coordinatorLog(entry => entries.push(entry))
  log('configuration-kept', 'a')
  log('configuration-kept', 'b', 'info')
  t.strictSame(entries, [
    { level: 'warning', code: 'configuration-kept', text: 'a' },
    { level: 'info', code: 'configuration-kept', text: 'b' },
  ])
})
