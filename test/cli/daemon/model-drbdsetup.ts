/**
 * A drbdsetup for tests that prints the state in a file and its changes, not a recording:
 *
 *     model-drbdsetup.ts STATE-FILE events2 [--now] [--timestamps] [--statistics]
 */
import { setTimeout as sleep } from 'node:timers/promises'
import { type ModelState, type ModelVolume, readModel } from './model-kernel.ts'

const POLL_EVERY_MS = 10

const [path = '', command, ...options] = process.argv.slice(2)
if (command !== 'events2') {
  process.stderr.write('only events2\n')
  process.exit(20)
}
process.stdout.on('error', () => process.exit(0))

const print = (lines: readonly string[]) => {
  const stamp = options.includes('--timestamps') ? `${new Date().toISOString().replace('Z', '000+00:00')} ` : ''
  process.stdout.write(lines.map(line => `${stamp}${line}\n`).join(''))
}

const connection = (verb: string, name: string, { peer, connection }: ModelVolume) =>
  `${verb} connection name:${name} peer-node-id:1 conn-name:${peer} connection:${connection} role:Secondary`
const device = (verb: string, name: string, { disk }: ModelVolume) =>
  `${verb} device name:${name} volume:0 minor:1 backing_dev:/dev/sdx disk:${disk} client:no quorum:yes size:1048576`
const peerDevice = (verb: string, name: string, { peer, replication, peerDisk, outOfSyncKib }: ModelVolume) =>
  `${verb} peer-device name:${name} peer-node-id:1 conn-name:${peer} volume:0 replication:${replication} ` +
  `peer-disk:${peerDisk} peer-client:no resync-suspended:no received:0 sent:0 out-of-sync:${outOfSyncKib}`

const entries = (state: ModelState) => Object.entries(state)
const resource = (verb: string, name: string) =>
  `${verb} resource name:${name} role:Secondary suspended:no may_promote:no promotion_score:10101`
const whole = (verb: string, state: ModelState) => [
  ...entries(state).map(([name]) => resource(verb, name)),
  ...entries(state).map(([name, volume]) => connection(verb, name, volume)),
  ...entries(state).map(([name, volume]) => device(verb, name, volume)),
  ...entries(state).map(([name, volume]) => peerDevice(verb, name, volume)),
]

let state = readModel(path)
print([...whole('exists', state), 'exists -'])
while (!options.includes('--now')) {
  await sleep(POLL_EVERY_MS)
  const next = readModel(path)
  const removed = entries(state).filter(([name]) => next[name] === undefined)
  const added = entries(next).filter(([name]) => state[name] === undefined)
  const changed = entries(next).filter(
    ([name, volume]) => state[name] !== undefined && JSON.stringify(state[name]) !== JSON.stringify(volume),
  )
  const lines = [
    ...removed.flatMap(([name, { peer }]) => [
      `destroy peer-device name:${name} peer-node-id:1 conn-name:${peer} volume:0`,
      `destroy device name:${name} volume:0 minor:1`,
      `destroy connection name:${name} peer-node-id:1 conn-name:${peer}`,
      `destroy resource name:${name}`,
    ]),
    ...whole('create', Object.fromEntries(added)),
    ...changed.flatMap(([name, volume]) => [
      connection('change', name, volume),
      device('change', name, volume),
      peerDevice('change', name, volume),
    ]),
  ]
  if (lines.length > 0) print(lines)
  state = next
}
