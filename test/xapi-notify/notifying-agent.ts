/**
 * A host's agent as far as its notifier goes, to be killed: node notifying-agent.ts URL JOURNAL HOST SR. Loaded, it prints
 * `ready` and waits: each line of its input is a state of the SR. At the end of its input it ends, as soon as the pool
 * knows everything.
 */

import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { machineClock } from '../../src/platform/time/clock.ts'
import { SYNC_STATES } from '../../src/sync-query/state.ts'
import { ResyncNotifier } from '../../src/xapi-notify/resync-notifier.ts'
import { XenApiClient } from '../../src/xenapi-client/client.ts'
import { PACE, statusOf } from './resync-under-test.ts'

const [url = '', journalPath = '', host = '', sr = ''] = process.argv.slice(2)
let notifier: ResyncNotifier | null = null
let progress = 0
const client = new XenApiClient({ clock: machineClock, url, user: 'root', password: 'right', callTimeoutMs: 5_000 })
process.stdout.write('ready\n')
for await (const line of createInterface({ input: process.stdin })) {
  notifier ??= await ResyncNotifier.open({
    clock: machineClock,
    client,
    host: { uuid: host, name: 'killed' },
    journalPath,
    pace: PACE,
  })
  progress += 0.001
  const state = SYNC_STATES.find(word => word === line) ?? 'unknown'
  notifier.note(sr, [], statusOf(state, { progress }))
}
while (notifier !== null && notifier.pending > 0) await sleep(1)
await notifier?.close()
await client.close()
