/** A decision log in a process of its own, whose files may not grow beyond a limit that the shell has set: as on a full disk. */
import { writeFileSync } from 'node:fs'
import { DEFAULT_POLICY, decide } from '../../src/allowed-operations/index.ts'
import { DecisionLog } from '../../src/updater/index.ts'
import { NOW, pool } from '../allowed-operations/pool-of-three.ts'

const [path = '', failures = ''] = process.argv.slice(2)
const verdicts = decide(pool(), DEFAULT_POLICY, NOW).get('a')
if (verdicts === undefined) throw new Error('the example has no host a')
let failed = 0
const log = new DecisionLog({
  path,
  now: () => NOW,
  onError: () => {
    failed += 1
  },
})
for (let index = 0; index < 10; index += 1) {
  const change = { at: NOW, host: `h${index}`, left: ['reboot'], returned: [], allowed: [], causes: [] } as const
  log.record({ ...change, verdicts, pool: pool() })
}
await log.close()
writeFileSync(failures, String(failed))
