import type { Guest } from './guest.ts'
import { isArrayInSync, type MdTruth, mdTruthScript, readMdTruth } from './md-truth.ts'
import { until } from './until.ts'

const NBD_PORT = 10_809
const LEG = 'leg'
/** After which a leg that does not answer is given up; without it writes hang until TCP does. */
const LEG_TIMEOUT_SECONDS = 5
const CONNECT_TIMEOUT_SECONDS = 20
const SCRIPT_TIMEOUT_MS = 90_000
const NBD = '/dev/nbd0'
/** What comes before it on a leg is md's own and differs between the legs. */
const DATA_OFFSET_MIB = 1

/** A RAID1 on one host, of a disk of its own and of one that another host gives it over the network (NBD). */
export interface MdPlan {
  /** The kernel's: md0, md1, … */
  readonly name: string
  /** As mdadm writes it. */
  readonly uuid: string
  /** Where the array runs. */
  readonly host: string
  readonly legOn: string
  readonly sizeMiB: number
}

/** What the host of an array, and that of its leg, have in /etc for it. */
export function mdFiles(
  plans: readonly MdPlan[],
  host: string,
  diskOf: (plan: MdPlan) => number,
): Record<string, string> {
  const files: Record<string, string> = {}
  for (const plan of plans) {
    if (plan.host === host) {
      // Without the module there is no /proc/mdstat, which the agent looks for only now and then.
      files['rc.d/20-array'] = 'modprobe raid1\nmodprobe nbd\n'
      files['mdadm/mdadm.conf'] = `ARRAY /dev/${plan.name} metadata=1.2 UUID=${plan.uuid}\n`
    } else if (plan.legOn === host) {
      files['nbd-server/config'] = `[generic]\nport = ${NBD_PORT}\n[${LEG}]\nexportname = /dev/disk${diskOf(plan)}\n`
      files['rc.d/20-leg'] = 'nbd-server\n'
    }
  }
  return files
}

/** One array of a running lab, with the two hosts that it stands on. */
export class ArrayOverHosts {
  readonly plan: MdPlan
  readonly #home: Guest
  readonly #far: Guest
  readonly #disks: { readonly home: string; readonly far: string }

  /** @param disks the numbers of the disks that it takes on each host */
  constructor(plan: MdPlan, home: Guest, far: Guest, disks: { readonly home: number; readonly far: number }) {
    this.plan = plan
    this.#home = home
    this.#far = far
    this.#disks = { home: `/dev/disk${disks.home}`, far: `/dev/disk${disks.far}` }
  }

  get #device(): string {
    return `/dev/${this.plan.name}`
  }

  /** Makes it of two empty disks, which are the same, so that nothing has to be copied. */
  async make(): Promise<void> {
    await this.#connectLeg()
    // A bitmap of small chunks: of large ones a resync after a loss copies the whole of so small a disk.
    const how = `--level=1 --raid-devices=2 --metadata=1.2 --bitmap=internal --bitmap-chunk=64K --data-offset=${DATA_OFFSET_MIB}M`
    await this.#onHome(
      `mdadm --create ${this.#device} --run --assume-clean --uuid=${this.plan.uuid} ${how} ${this.#disks.home} --write-mostly --failfast ${NBD}`,
    )
  }

  /** Starts it after a boot, with both legs. */
  async assemble(): Promise<void> {
    await this.#connectLeg()
    await this.#onHome(`mdadm --assemble ${this.#device} --uuid=${this.plan.uuid} ${this.#disks.home} ${NBD}`)
  }

  /** What the kernel says of it. @throws ShellFailure; Error when it does not run */
  async truth(): Promise<MdTruth> {
    return readMdTruth(await this.#home.sh(mdTruthScript(this.plan.name)))
  }

  async isInSync(): Promise<boolean> {
    return isArrayInSync(await this.truth())
  }

  /** Connects the leg anew and gives it back to the array, which begins to recover it. */
  async readdLeg(): Promise<void> {
    await this.#onHome(`mdadm ${this.#device} --remove ${NBD}; nbd-client -d ${NBD}`)
    await this.#connectLeg()
    await this.#onHome(`mdadm ${this.#device} --re-add ${NBD}`)
  }

  /** Writes so many MiB of new data to the beginning of the array. Waits as long as a leg that does not answer is waited for. */
  async write(sizeMiB: number): Promise<void> {
    await this.#onHome(`dd if=/dev/urandom of=${this.#device} bs=1M count=${sizeMiB} oflag=direct conv=notrunc 2>&1`)
  }

  /** Spoils 64 KiB on the far leg behind md's back. */
  async spoilFarLeg(): Promise<void> {
    const at = `bs=64k seek=${(DATA_OFFSET_MIB + 4) * 16} count=1`
    await this.#far.sh(`dd if=/dev/urandom of=${this.#disks.far} ${at} conv=notrunc,fsync 2>&1`)
  }

  /** How fast the kernel copies and checks, at least and at most. */
  async setSpeed(kibPerSecond: number): Promise<void> {
    await this.#onHome(`for each in min max; do echo ${kibPerSecond} >/proc/sys/dev/raid/speed_limit_$each; done`)
  }

  /** Tells the kernel what to do with the array, as `sync_action` takes it. */
  async act(syncAction: 'check' | 'repair' | 'idle'): Promise<void> {
    await this.#onHome(`echo ${syncAction} >/sys/block/${this.plan.name}/md/sync_action`)
  }

  /** Whether the legs hold the same, byte for byte, whatever md says. */
  async holdsTheSame(): Promise<boolean> {
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
