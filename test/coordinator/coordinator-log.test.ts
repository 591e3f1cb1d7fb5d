import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { COORDINATOR_LOG_LEVELS, coordinatorLog } from '../../src/coordinator/coordinator-log.ts'
import { DECISION_LINES } from '../../src/updater/decision-lines.ts'

const DOCS = join(import.meta.dirname, '../../docs')

t.test('docs/TROUBLESHOOTING.md explains every log code of the coordinator', async t => {
  const rows = readFileSync(join(DOCS, 'TROUBLESHOOTING.md'), 'utf8')
    .split('\n')
    .filter(line => line.startsWith('|'))
    .map(line => line.split('|')[1]?.replaceAll('`', '').split(',') ?? [])
  const explained = new Set(rows.flat().map(code => code.trim()))
  const missing = Object.keys(COORDINATOR_LOG_LEVELS).filter(code => !explained.has(code))
  t.strictSame(missing, [])
})

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
