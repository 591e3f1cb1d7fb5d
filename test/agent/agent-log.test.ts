import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { AGENT_LOG_LEVELS, agentLog } from '../../src/agent/agent-log.ts'

const TROUBLESHOOTING = join(import.meta.dirname, '../../docs/TROUBLESHOOTING.md')

t.test('docs/TROUBLESHOOTING.md explains every log code of the agent', async t => {
  const [, logged = ''] = readFileSync(TROUBLESHOOTING, 'utf8').split('## What the daemons log')
  const rows = Array.from(logged.matchAll(/^\| ([^|]+) \|/gm), ([, codes = '']) => codes.split(', '))
  const explained = new Set(rows.flat())
  t.strictSame(
    Object.keys(AGENT_LOG_LEVELS).filter(code => !explained.has(code)),
    [],
  )
})

t.test('a code has its usual level unless the caller gives another, and a transition is information', async t => {
  const entries: unknown[] = []
  const log = agentLog(entry => entries.push(entry))
  log('source-failed', 'a')
  log('order', 'b', 'error')
  log('degraded', 'c')
  t.strictSame(entries, [
    { level: 'error', code: 'source-failed', text: 'a' },
    { level: 'error', code: 'order', text: 'b' },
    { level: 'info', code: 'degraded', text: 'c' },
  ])
})
