import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { GuestShell, ShellFailure, type ShellResult } from './guest-shell.ts'
import { until } from './until.ts'

const BOOT_DEADLINE_MS = 300_000
const SHELL_TIMEOUT_MS = 60_000
const MEBIBYTE = 1024 * 1024

/** The parts that all guests of a run share. */
export interface GuestParts {
  /** qemu arguments of the accelerator. */
  readonly accelerator: readonly string[]
  readonly vmlinuz: string
  readonly initramfs: string
  /** Read-only disk with the program. */
  readonly programDisk: string
}

export interface GuestPlan {
  readonly name: string
  /** In the network of the guests. Its last byte is also the last byte of the MAC address. */
  readonly address: string
  readonly memoryMiB: number
  /** They become /dev/disk0, /dev/disk1, … */
  readonly disksMiB: readonly number[]
  /** ext4 image for the guest's /var/lib, which must survive a power cut. */
  readonly stateDisk: string
  /** Ports of the guest, and the loopback ports where the driver reaches them. */
  readonly forwards: Readonly<Record<number, number>>
  /** The switch's port on loopback. */
  readonly switchPort: number
  /** Directory of disks, logs and share. */
  readonly directory: string
}

/** Why a guest is off: powered off, power cut, or crashed (a panic, or qemu itself). */
export type Off = 'powered-off' | 'power-cut' | 'fell'

/**
 * One virtual machine. It starts again after a reboot that it asked for; after anything else it stays off until `start`. Its disks and
 * its share exist until the directory is removed.
 */
export class Guest {
  readonly name: string
  readonly address: string
  /** Mounted as /out in the guest. */
  readonly share: string
  readonly #plan: GuestPlan
  readonly #parts: GuestParts
  readonly #shell: GuestShell
  #qemu: ChildProcess | null = null
  #off: Off = 'powered-off'
  #boots = 0
  #bootSeconds = 0
  #opened: Promise<void> = Promise.resolve()

  constructor(parts: GuestParts, plan: GuestPlan) {
    this.name = plan.name
    this.address = plan.address
    this.share = join(plan.directory, 'share')
    this.#parts = parts
    this.#plan = plan
    for (const each of ['etc', 'log']) mkdirSync(join(this.share, each), { recursive: true })
    this.#shell = new GuestShell(this.share)
    for (const [index, size] of plan.disksMiB.entries()) {
      closeSync(openSync(this.#disk(index), 'w'))
      truncateSync(this.#disk(index), size * MEBIBYTE)
    }
  }

  /** `on`, or why the guest is off. */
  get power(): 'on' | Off {
    return this.#qemu === null ? this.#off : 'on'
  }

  /** Number of starts. */
  get boots(): number {
    return this.#boots
  }

  /** Duration of the last start, until the shell answered. */
  get bootSeconds(): number {
    return this.#bootSeconds
  }

  /** Resident memory of the guest's qemu. */
  get residentMiB(): number {
    if (this.#qemu === null) return 0
    const status = readFileSync(`/proc/${this.#qemu.pid}/status`, 'utf8')
    return Math.round(Number(/VmRSS:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024)
  }

  /** The loopback port that forwards to a port of the guest. */
  reach(port: number): number {
    const reached = this.#plan.forwards[port]
    if (reached === undefined) throw new Error(`port ${port} of ${this.name} is not forwarded`)
    return reached
  }

  /** Switches the guest on and waits until its shell answers. @throws NotInTime, ShellFailure */
  async start(): Promise<void> {
    this.powerOn()
    await this.ready()
  }

  /** Switches the guest on, without waiting for its boot. */
  powerOn(): void {
    if (this.#qemu !== null) throw new Error(`${this.name} is on`)
    this.#boots += 1
    const began = performance.now()
    rmSync(this.#serialSocket, { force: true })
    rmSync(join(this.share, 'went'), { force: true })
    const log = openSync(join(this.#plan.directory, 'qemu.log'), 'a')
    const qemu = spawn('qemu-system-x86_64', this.#arguments(), { stdio: ['ignore', log, log] })
    closeSync(log)
    this.#qemu = qemu
    this.#off = 'fell'
    // A driver that ends must not leave machines behind.
    const withDriver = () => qemu.kill('SIGKILL')
    process.on('exit', withDriver)
    qemu.on('error', () => this.#hasEnded(qemu))
    qemu.on('exit', () => {
      process.off('exit', withDriver)
      this.#hasEnded(qemu)
    })
    this.#opened = this.#shell.open(this.#serialSocket).then(async () => {
      const look = () => (this.#qemu === qemu ? this.#shell.isReady && 'ready' : 'gone')
      const outcome = await until(`${this.name} has booted`, look, BOOT_DEADLINE_MS)
      if (outcome === 'gone') throw new ShellFailure(`${this.name} went off while it booted`)
      this.#bootSeconds = (performance.now() - began) / 1000
    })
    // Awaited by `ready`. A failure that is not awaited is not a bug of the driver.
    this.#opened.catch(() => {})
  }

  /** Waits until the shell answers, after a reboot too. @throws NotInTime, ShellFailure */
  async ready(): Promise<void> {
    for (;;) {
      const opened = this.#opened
      try {
        return await opened
      } catch (error) {
        // The guest was started again meanwhile.
        if (opened === this.#opened) throw error
      }
    }
  }

  /** Cuts the power: nothing is flushed, and no connection is closed. */
  async cutPower(): Promise<void> {
    if (this.#qemu === null) return
    this.#off = 'power-cut'
    const qemu = this.#qemu
    qemu.kill('SIGKILL')
    if (qemu.exitCode === null && qemu.signalCode === null) await once(qemu, 'exit')
  }

  /** Runs a script and returns its exit code and output. @throws ShellFailure if the guest is off, goes off, or does not answer */
  async try(script: string, { timeoutMs = SHELL_TIMEOUT_MS } = {}): Promise<ShellResult> {
    return this.#shell.run(script, timeoutMs)
  }

  /** Runs a script and returns its output. @throws ShellFailure also if it does not exit with 0 */
  async sh(script: string, { timeoutMs = SHELL_TIMEOUT_MS } = {}): Promise<string> {
    const { code, output } = await this.#shell.run(script, timeoutMs)
    if (code !== 0) throw new ShellFailure(`${this.name}: '${script}' exits with ${code}: ${output.trim()}`)
    return output
  }

  /** Writes a file below /etc, now and at each boot; executable if it begins with `#!`. */
  async install(path: string, text: string): Promise<void> {
    const file = join(this.share, 'etc', path)
    mkdirSync(join(file, '..'), { recursive: true })
    writeFileSync(file, text, { mode: text.startsWith('#!') ? 0o755 : 0o644 })
    if (this.power === 'on') await this.sh(`mkdir -p "$(dirname /etc/${path})"; cp /out/etc/${path} /etc/${path}`)
  }

  /** Skips a script of /etc/rc.d at the next boots, or no longer skips it. */
  withhold(part: string, isWithheld = true): void {
    const file = join(this.share, 'withheld', part)
    mkdirSync(join(this.share, 'withheld'), { recursive: true })
    if (isWithheld) writeFileSync(file, '')
    else rmSync(file, { force: true })
  }

  get #serialSocket(): string {
    return join(this.#plan.directory, 'shell.sock')
  }

  get #console(): string {
    return join(this.#plan.directory, 'console.log')
  }

  #disk(index: number): string {
    return join(this.#plan.directory, `disk${index}.img`)
  }

  #hasEnded(qemu: ChildProcess): void {
    if (this.#qemu !== qemu) return
    this.#qemu = null
    this.#shell.close()
    if (this.#off === 'power-cut') return
    const went = join(this.share, 'went')
    const wish = existsSync(went) ? readFileSync(went, 'utf8').trim() : ''
    if (wish === 'reboot') this.powerOn()
    else this.#off = wish === 'poweroff' ? 'powered-off' : 'fell'
  }

  #arguments(): string[] {
    const { name, address, memoryMiB, stateDisk, disksMiB, forwards, switchPort } = this.#plan
    const { accelerator, vmlinuz, initramfs, programDisk } = this.#parts
    const quiet = 'console=ttyS0 quiet loglevel=4 panic=-1 mitigations=off nokaslr rcupdate.rcu_cpu_stall_suppress=1'
    const ways = Object.entries(forwards).map(([guest, host]) => `,hostfwd=tcp:127.0.0.1:${host}-:${guest}`)
    const mac = Number(address.split('.').at(-1)).toString(16).padStart(2, '0')
    const drive = (id: string, file: string, more = '') => [
      ...['-drive', `if=none,id=${id},file=${file},format=raw,cache=unsafe${more}`],
      ...['-device', `virtio-blk-pci,drive=${id},serial=${id}`],
    ]
    return [
      ...[...accelerator, '-smp', '1', '-m', String(memoryMiB), '-nodefaults', '-no-user-config'],
      ...['-display', 'none', '-no-reboot', '-kernel', vmlinuz, '-initrd', initramfs],
      ...['-append', `${quiet} node=${name} hil_ip=${address}`],
      ...['-chardev', `file,id=console,path=${this.#console},append=on`, '-serial', 'chardev:console'],
      ...['-chardev', `socket,id=shell,path=${this.#serialSocket},server=on,wait=off`, '-serial', 'chardev:shell'],
      ...['-netdev', `socket,id=switch,connect=127.0.0.1:${switchPort}`],
      ...['-device', `virtio-net-pci,netdev=switch,mac=52:54:00:09:09:${mac},romfile=`],
      // `restrict`: only the driver's forwarded ports pass, and only inwards.
      ...['-netdev', `user,id=driver,restrict=on${ways.join('')}`],
      ...['-device', `virtio-net-pci,netdev=driver,mac=52:54:00:0a:0a:${mac},romfile=`],
      ...['-fsdev', `local,id=out,path=${this.share},security_model=none,writeout=immediate`],
      ...['-device', 'virtio-9p-pci,fsdev=out,mount_tag=out'],
      ...drive('program', programDisk, ',readonly=on'),
      ...drive('state', stateDisk),
      ...disksMiB.flatMap((_, index) => drive(`disk${index}`, this.#disk(index))),
    ]
  }
}
