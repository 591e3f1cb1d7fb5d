import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** One volume of a resource, mirrored with one peer, as a kernel would describe it. */
export interface ModelVolume {
  readonly peer: string
  readonly connection: 'Connected' | 'Connecting'
  readonly replication: 'Established' | 'SyncSource' | 'SyncTarget' | 'Off'
  readonly disk: string
  readonly peerDisk: string
  readonly outOfSyncKib: number
}

export type ModelState = Readonly<Record<string, ModelVolume>>

export const IN_SYNC: ModelVolume = {
  peer: 'hostB',
  connection: 'Connected',
  replication: 'Established',
  disk: 'UpToDate',
  peerDisk: 'UpToDate',
  outOfSyncKib: 0,
}

export const resyncing = (outOfSyncKib: number): ModelVolume => ({
  ...IN_SYNC,
  replication: 'SyncSource',
  peerDisk: 'Inconsistent',
  outOfSyncKib,
})

const PROGRAM = join(import.meta.dirname, 'model-drbdsetup.ts')

/**
 * A directory that stands for `/` of a host whose DRBD has no history, only a state: a drbdsetup of its own
 * (model-drbdsetup.ts) prints it, so a daemon that is killed and started again reads the present state, as from a kernel.
 */
export class ModelKernel {
  readonly root: string
  readonly #state: string
  #bootedAtMs = 0

  constructor(root: string, bootId: string) {
    this.root = root
    this.#state = join(root, 'drbd.json')
    for (const folder of ['proc/sys/kernel/random', 'sys/module/drbd', 'sys/block', 'etc/drbd.d']) {
      mkdirSync(join(root, folder), { recursive: true })
    }
    writeFileSync(join(root, 'sys/module/drbd/version'), '9.2.18\n')
    this.boot(bootId)
    this.setState({})
  }

  /** What to call in place of drbdsetup. */
  get drbdsetup(): readonly [string, ...string[]] {
    return [process.execPath, PROGRAM, this.#state]
  }

  setState(state: ModelState): void {
    writeFileSync(`${this.#state}.new`, JSON.stringify(state))
    renameSync(`${this.#state}.new`, this.#state)
  }

  boot(bootId: string): void {
    writeFileSync(join(this.root, 'proc/sys/kernel/random/boot_id'), `${bootId}\n`)
    this.#bootedAtMs = Date.now() - 1_000
    this.advanceUptime()
  }

  /** Sets the uptime to the time since the boot. A daemon that starts later must find a longer uptime. */
  advanceUptime(): void {
    const uptime = ((Date.now() - this.#bootedAtMs) / 1000).toFixed(2)
    writeFileSync(join(this.root, 'proc/uptime'), `${uptime} ${uptime}\n`)
  }
}

export function readModel(path: string): ModelState {
  return JSON.parse(readFileSync(path, 'utf8'))
}
