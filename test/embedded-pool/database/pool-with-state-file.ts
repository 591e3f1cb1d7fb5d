/** A pool in its own process, so that a test can kill it. It keeps its state in the given file and prints its URL. */

import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { oneAtATime, PASSWORD, patientMachines } from '../pool-under-test.ts'

const pool = new EmbeddedPool({
  clock: machineClock,
  gate: oneAtATime,
  machines: patientMachines,
  authenticate: (_user, password) => password === PASSWORD,
  stateFile: process.argv[2] ?? '',
  stateDelayMs: 5,
})
if (pool.list('host').length === 0) pool.seed(['a', 'b'])
const { port } = await pool.listen({ port: 0 })
process.stdout.write(`http://127.0.0.1:${port}\n`)
