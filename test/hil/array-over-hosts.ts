import type { Guest } from './guest.ts'
import { isArrayInSync, type MdTruth, mdTruthScript, readMdTruth } from './md-truth.ts'
import { until } from './until.ts'

const NBD_PORT = 10_809
const LEG = 'leg'
/** nbd gives up a leg that does not answer for this long; without it writes hang until TCP times out. */
const LEG_TIMEOUT_SECONDS = 5
const CONNECT_TIMEOUT_SECONDS = 20
const SCRIPT_TIMEOUT_MS = 90_000
const NBD = '/dev/nbd0'
/** Start of the data on a leg. md's metadata before it differs between the legs. */
const DATA_OFFSET_MIB = 1

/** A RAID1 of a local disk and a disk of another host, connected by NBD. */
export interface MdPlan {
  /** Kernel name: md0, md1, … */
  readonly name: string
  /** In mdadm's notation. */
  readonly uuid: string
  /** The host that runs the array. */
  readonly host: string
  readonly legOn: string
  readonly sizeMiB: number
}

/** Files in /etc of the host of the array and of the host of its leg. */
export function mdFiles(
  plans: readonly MdPlan[],
  host: string,
  diskOf: (plan: MdPlan) => number,
): Record<string, string> {
  const files: Record<string, string> = {}
  for (const plan of plans) {
    if (plan.host === host) {
      // Without the module there is no /proc/mdstat, and the agent checks for that file only rarely.
      files['rc.d/20-array'] = 'modprobe raid1\nmodprobe nbd\n'
      files['mdadm/mdadm.conf'] = `ARRAY /dev/${plan.name} metadata=1.2 UUID=${plan.uuid}\n`
    } else if (plan.legOn === host) {
      files['nbd-server/config'] = `[generic]\nport = ${NBD_PORT}\n[${LEG}]\nexportname = /dev/disk${diskOf(plan)}\n`
      files['rc.d/20-leg'] = 'nbd-server\n'
    }
  }
  return files
}

/** One array of a running lab, with its two hosts. */
export class ArrayOverHosts {
  readonly plan: MdPlan
  readonly #home: Guest
  readonly #far: Guest
  readonly #disks: { readonly home: string; readonly far: string }

  /** @param disks the disk number on each host */
  constructor(plan: MdPlan, home: Guest, far: Guest, disks: { readonly home: number; readonly far: number }) {
    this.plan = plan
    this.#home = home
    this.#far = far
    this.#disks = { home: `/dev/disk${disks.home}`, far: `/dev/disk${disks.far}` }
  }

  get #device(): string {
    return `/dev/${this.plan.name}`
  }

  /** Creates the array from two empty, equal disks, so that nothing is copied. */
  async make(): Promise<void> {
    await this.#connectLeg()
    // Small bitmap chunks: with large ones a resync after a loss copies the whole small disk.
    const how = `--level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=64K --data-offset=${DATA_OFFSET_MIB}M`
    await this.#onHome(
      `mdadm --create ${this.#device} --run --assume-clean --uuid=${this.plan.uuid} ${how} ${this.#disks.home} --write-mostly --failfast ${NBD}`,
    )
  }

  /** Starts the array after a boot, with both legs. */
  async assemble(): Promise<void> {
    await this.#connectLeg()
    await this.#onHome(`mdadm --assemble ${this.#device} --uuid=${this.plan.uuid} ${this.#disks.home} ${NBD}`)
  }

  /** The kernel's state of the array. @throws ShellFailure; Error if the array does not run */
  async truth(): Promise<MdTruth> {
    return readMdTruth(await this.#home.sh(mdTruthScript(this.plan.name)))
  }

  async isInSync(): Promise<boolean> {
    return isArrayInSync(await this.truth())
  }

  /** Connects the leg again and adds it to the array, which begins the recovery. */
  async readdLeg(): Promise<void> {
    await this.#onHome(`mdadm ${this.#device} --remove ${NBD}; nbd-client -d ${NBD}`)
    await this.#connectLeg()
    await this.#onHome(`mdadm ${this.#device} --re-add ${NBD}`)
  }

  /** Writes new data to the beginning of the array. Waits as long as nbd waits for a leg that does not answer. */
  async write(sizeMiB: number): Promise<void> {
    await this.#onHome(`dd if=/dev/urandom of=${this.#device} bs=1M count=${sizeMiB} oflag=direct conv=notrunc 2>&1`)
  }

  /** Overwrites 64 KiB of the remote leg without md's knowledge. */
  async spoilFarLeg(): Promise<void> {
    const at = `bs=64k seek=${(DATA_OFFSET_MIB + 4) * 16} count=1`
    await this.#far.sh(`dd if=/dev/urandom of=${this.#disks.far} ${at} conv=notrunc,fsync 2>&1`)
  }

  /** Sets the minimum and maximum speed of copies and checks. */
  async setSpeed(kibPerSecond: number): Promise<void> {
    await this.#onHome(`for each in min max; do echo ${kibPerSecond} >/proc/sys/dev/raid/speed_limit_$each; done`)
  }

  /** Writes `sync_action` of the array. */
  async act(syncAction: 'check' | 'repair' | 'idle'): Promise<void> {
    await this.#onHome(`echo ${syncAction} >/sys/block/${this.plan.name}/md/sync_action`)
  }

  /** Compares the legs byte by byte, without asking md. */
  async disksAreEqual(): Promise<boolean> {
    const read = (disk: string) =>
      `sync; echo 1 >/proc/sys/vm/drop_caches; dd if=${disk} bs=1M skip=${DATA_OFFSET_MIB} count=${this.plan.sizeMiB - DATA_OFFSET_MIB - 1} 2>/dev/null | md5sum`
    const [home, far] = await Promise.all([
      this.#onHome(read(this.#disks.home)),
      this.#far.sh(read(this.#disks.far), { timeoutMs: SCRIPT_TIMEOUT_MS }),
    ])
    return home === far
  }

  async #connectLeg(): Promise<void> {
    const connect = `timeout ${CONNECT_TIMEOUT_SECONDS} nbd-client ${this.#far.address} ${NBD_PORT} ${NBD} -N ${LEG} -timeout ${LEG_TIMEOUT_SECONDS}`
    await until('the leg is connected', () => this.#onHome(`nbd-client -c ${NBD} || ${connect}`), SCRIPT_TIMEOUT_MS)
  }

  #onHome(script: string): Promise<string> {
    return this.#home.sh(script, { timeoutMs: SCRIPT_TIMEOUT_MS })
  }
}
