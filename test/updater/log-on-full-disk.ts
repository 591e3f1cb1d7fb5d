/** A decision log in its own process, with a limit on file sizes that the shell has set, as on a full disk. */
import { renameSync } from 'node:fs'
import { decide } from '../../src/allowed-operations/decide.ts'
import { DEFAULT_POLICY } from '../../src/allowed-operations/pool/gate-policy.ts'
import { DecisionLog } from '../../src/updater/decision-log.ts'
import { NOW, pool } from '../allowed-operations/pool-of-three.ts'

const path = process.argv[2] ?? ''
// At the limit the kernel sends this signal. With a listener the write fails instead, as on a full disk.
process.on('SIGXFSZ', () => undefined)
const verdicts = decide(pool(), DEFAULT_POLICY, NOW).get('a')
if (verdicts === undefined) throw new Error('the example has no host a')
const log = new DecisionLog({ path, maxBytes: 10_485_760, knownWithinMs: 0, now: () => NOW, onError: () => undefined })
const record = (host: string) =>
  log.record({
    code: 'operations-changed',
    at: NOW,
    host,
    left: ['reboot'],
    returned: [],
    allowed: [],
    causes: [],
    verdicts,
    pool: pool(),
  })
for (let index = 0; index < 60; index += 1) record(`h${index}`)
await log.close()
// there is space again
renameSync(path, `${path}.full`)
record('later')
await log.close()
