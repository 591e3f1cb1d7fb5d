/**
 * A simulated `drbdsetup` for benchmarks. It prints the text of DRBD 9. Each resource has two peers and a name in XOSTOR's form.
 *
 *     simulated-drbdsetup.ts RESOURCES[:ACTIVE] CHANGES GO-FILE events2 [--now] …
 *
 * It prints the initial dump. When GO-FILE exists it prints CHANGES lines about ACTIVE of the resources (default: all of them) in mixed
 * order, as fast as the reader takes them. The last line reports that the first resource lost its peer. The lines are prepared in
 * advance and repeated, so that printing them needs almost no CPU time.
 */
import { existsSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'

const [size = '', changes = '', goFile = '', , ...options] = process.argv.slice(2)
const [resources = 0, active = resources] = size.split(':').map(Number)

/** Number of prepared lines, which are printed repeatedly. */
const LINES_IN_A_BLOCK = 50_000

function nameOf(resource: number): string {
  const digits = resource.toString(16).padStart(12, '0')
  return `xcp-volume-5d4c91f3-8a1b-4c62-9e0f-${digits}`
}

/** The values that drbdsetup prints only with `--statistics`. */
const FIGURES =
  / (?:write-ordering|may_promote|promotion_score|congested|(?:ap|rs)-in-flight|size|read|written|al-writes|bm-writes|(?:upper|lower)-pending|al-suspended|blocked|received|sent|out-of-sync|pending|unacked):\S+/g

let clockMicros = Date.parse('2026-11-22T16:00:00Z') * 1000
/** Returns a later time on each call, because each kernel event has its own time. */
function stamp(): string {
  clockMicros += 7
  const micros = String(clockMicros % 1000).padStart(3, '0')
  return new Date(Math.floor(clockMicros / 1000)).toISOString().replace('Z', `${micros}+00:00`)
}

function dump(): string {
  const lines: string[] = []
  for (let resource = 0; resource < resources; resource += 1) {
    const at = stamp()
    const name = nameOf(resource)
    lines.push(
      `${at} exists resource name:${name} role:Secondary suspended:no force-io-failures:no write-ordering:flush may_promote:no promotion_score:10103`,
    )
    for (const [node, peer] of [
      [1, 'xcp-host-b'],
      [2, 'xcp-host-c'],
    ]) {
      lines.push(
        `${at} exists connection name:${name} peer-node-id:${node} conn-name:${peer} connection:Connected role:Secondary congested:no ap-in-flight:0 rs-in-flight:0`,
      )
    }
    lines.push(
      `${at} exists device name:${name} volume:0 minor:${1000 + resource} backing_dev:/dev/linstor_group/${name}_00000 disk:UpToDate client:no quorum:yes size:52428800 read:0 written:0 al-writes:0 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no`,
    )
    for (const [node, peer] of [
      [1, 'xcp-host-b'],
      [2, 'xcp-host-c'],
    ]) {
      lines.push(
        `${at} exists peer-device name:${name} peer-node-id:${node} conn-name:${peer} volume:0 replication:Established peer-disk:UpToDate peer-client:no resync-suspended:no received:0 sent:0 out-of-sync:0 pending:0 unacked:0`,
        `${at} exists path name:${name} peer-node-id:${node} conn-name:${peer} local:ipv4:10.9.9.1:${7000 + resource} peer:ipv4:10.9.9.${node}:${7000 + resource} established:yes`,
      )
    }
  }
  lines.push(`${stamp()} exists -`)
  return `${lines.join('\n')}\n`
}

/** Of ten lines, seven report progress, one the state of a resync, one writes, and one the load of a connection. */
function change(index: number): string {
  const name = nameOf(((index * 7919) % active) * Math.floor(resources / active))
  const at = stamp()
  const peer = index % 2 === 0 ? 'peer-node-id:1 conn-name:xcp-host-b' : 'peer-node-id:2 conn-name:xcp-host-c'
  const left = 1_048_576 - (index % 1_000_000)
  switch (index % 10) {
    case 0:
      return `${at} change peer-device name:${name} ${peer} volume:0 replication:SyncSource peer-disk:Inconsistent peer-client:no done:0.00 received:0 sent:0 out-of-sync:${left} pending:0 unacked:0 dbdt1:0.00 eta:nan`
    case 1:
      return `${at} change device name:${name} volume:0 read:0 written:${index} al-writes:1 bm-writes:0 upper-pending:0 lower-pending:0 al-suspended:no blocked:no`
    case 2:
      return `${at} change connection name:${name} ${peer} congested:no ap-in-flight:${index % 100} rs-in-flight:0`
    default:
      return `${at} change peer-device name:${name} ${peer} volume:0 done:${(index % 100).toFixed(2)} received:0 sent:${index} out-of-sync:${left} pending:0 unacked:0 dbdt1:91.20 eta:${index % 600}`
  }
}

/**
 * Blocks until the text is in the pipe, as printf of the real drbdsetup does. An asynchronous writer would make the
 * reader wait for its event loop.
 */
function print(text: string | Uint8Array): void {
  const bytes = typeof text === 'string' ? Buffer.from(text) : text
  try {
    for (let written = 0; written < bytes.length; ) written += writeSync(1, bytes, written)
  } catch {
    // The reader has closed the pipe.
    process.exit(0)
  }
}

const block: string[] = []
for (let index = 0; index < Math.min(Number(changes), LINES_IN_A_BLOCK); index += 1) block.push(change(index))
const blockBytes = Buffer.from(`${block.join('\n')}\n`)
const initialDump = dump()
print(options.includes('--statistics') ? initialDump : initialDump.replaceAll(FIGURES, ''))
if (!options.includes('--now')) {
  while (!existsSync(goFile)) await sleep(2)
  for (let printed = 0; printed < Number(changes); printed += block.length) print(blockBytes)
  print(
    `${stamp()} change connection name:${nameOf(0)} peer-node-id:1 conn-name:xcp-host-b connection:NetworkFailure\n`,
  )
  setInterval(() => undefined, 1000)
}
