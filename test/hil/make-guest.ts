import { randomInt } from 'node:crypto'
import { once } from 'node:events'
import { mkdirSync } from 'node:fs'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { join } from 'node:path'
import { execa } from 'execa'
import { Guest, type GuestParts } from './guest.ts'
import { addressOf, hostFiles, mirrorsOf, PORTS } from './host-files.ts'
import { WITH_SBIN } from './packages.ts'
import type { Switch } from './switch.ts'
import type { Topology } from './topology.ts'

const TOOL_TIMEOUT_MS = 60_000
const STATE_DISK = '24M'
/** The first host also runs the updater. */
const COORDINATOR_MIB = 512
const HOST_MIB = 384
const FIRST_PORT = 20_000
const LAST_PORT = 32_000
const MAX_ATTEMPTS = 100

/**
 * Makes the machine of a host of a topology: disks are empty, files are in its share, and it is off.
 * @param directory of the machine's files; created if missing
 */
export async function makeGuest(
  parts: GuestParts,
  topology: Topology,
  name: string,
  directory: string,
  wires: Switch,
): Promise<Guest> {
  mkdirSync(directory, { recursive: true })
  const stateDisk = join(directory, 'state.img')
  await execa('mke2fs', ['-q', '-t', 'ext4', stateDisk, STATE_DISK], { env: WITH_SBIN, timeout: TOOL_TIMEOUT_MS })
  const isCoordinator = name === topology.hosts[0]
  const ports = [PORTS.agent, PORTS.agentMetrics, ...(isCoordinator ? [PORTS.xapi, PORTS.updaterMetrics] : [])]
  const guest = new Guest(parts, {
    name,
    address: addressOf(topology, name),
    memoryMiB: isCoordinator ? COORDINATOR_MIB : HOST_MIB,
    disksMiB: [
      ...mirrorsOf(topology, name).map(({ plan }) => plan.sizeMiB),
      ...topology.md.filter(({ host, legOn }) => name === host || name === legOn).map(({ sizeMiB }) => sizeMiB),
      ...topology.spareDisksMiB,
    ],
    stateDisk,
    forwards: await forwardsOf(ports),
    switchPort: await wires.plug(name),
    directory,
  })
  for (const [path, text] of Object.entries(hostFiles(topology, name))) await guest.install(path, text)
  // The disks are still empty: there is nothing to bring up before the mirrors exist.
  guest.withhold('10-drbd')
  return guest
}

/** Finds a free loopback port for each port of a guest. Holds all until all are found, so that no port is used twice. */
async function forwardsOf(ports: readonly number[]): Promise<Readonly<Record<number, number>>> {
  const found = await Promise.all(ports.map(async port => ({ port, server: await heldPort() })))
  const forwards = Object.fromEntries(found.map(({ port, server }) => [port, (server.address() as AddressInfo).port]))
  await Promise.all(
    found.map(async ({ server }) => {
      server.close()
      await once(server, 'close')
    }),
  )
  return forwards
}

/**
 * Listens at a free port below Linux's ephemeral ports (from 32768 on): a connection of the driver could take an ephemeral one while the
 * guest is off, and qemu could not start it again.
 */
async function heldPort(): Promise<Server> {
  for (let attempt = 1; ; attempt += 1) {
    const server = createServer().listen(randomInt(FIRST_PORT, LAST_PORT), '127.0.0.1')
    try {
      await once(server, 'listening')
      return server
    } catch (error) {
      if (attempt === MAX_ATTEMPTS) throw error
    }
  }
}
