/**
 * A simulated `drbdsetup` for benchmarks. Another process writes its events:
 *
 *     simulated-drbdsetup-live.ts RESOURCES SOCKET events2 [--now] …
 *
 * It prints a dump of RESOURCES synced resources with one peer in the text of DRBD 9, and then everything that it reads from SOCKET.
 */
import { connect } from 'node:net'

const [resources = '0', socket = '', , ...options] = process.argv.slice(2)
const lines: string[] = []
for (let index = 0; index < Number(resources); index += 1) {
  const name = `xcp-volume-5d4c91f3-8a1b-4c62-9e0f-${index.toString(16).padStart(12, '0')}`
  lines.push(
    `exists resource name:${name} role:Secondary suspended:no may_promote:no promotion_score:10103`,
    `exists connection name:${name} peer-node-id:1 conn-name:xcp-host-b connection:Connected role:Secondary`,
    `exists device name:${name} volume:0 minor:${1000 + index} disk:UpToDate client:no quorum:yes size:52428800`,
    `exists peer-device name:${name} peer-node-id:1 conn-name:xcp-host-b volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no received:0 sent:0 out-of-sync:0`,
  )
}
process.stdout.on('error', () => process.exit(0))
process.stdout.write(`${[...lines, 'exists -'].map(line => `2026-11-22T16:00:00.000000+00:00 ${line}`).join('\n')}\n`)
if (!options.includes('--now')) connect(socket).pipe(process.stdout)
