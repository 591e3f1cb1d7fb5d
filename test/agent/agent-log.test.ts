import t from 'tap'
import { agentLog } from '../../src/agent/agent-log.ts'

t.test('a code has its usual level unless the caller gives another', async t => {
  const entries: unknown[] = []
  const log = agentLog(entry => entries.push(entry))
  log('source-failed', 'a')
  log('order', 'b', 'error')
  log('started', 'c')
  t.strictSame(entries, [
    { level: 'error', code: 'source-failed', text: 'a' },
    { level: 'error', code: 'order', text: 'b' },
    { level: 'info', code: 'started', text: 'c' },
  ])
})
