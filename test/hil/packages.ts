import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'

const APT_TIMEOUT_MS = 300_000
const UNPACK_TIMEOUT_MS = 120_000

/** Debian packages that guests are made of, each with a file that shows that it is installed. */
const PACKAGES: Readonly<Record<string, string>> = {
  'qemu-system-x86': '/usr/bin/qemu-system-x86_64',
  'drbd-utils': '/usr/sbin/drbdadm',
  mdadm: '/usr/sbin/mdadm',
  'nbd-client': '/usr/sbin/nbd-client',
  'nbd-server': '/usr/bin/nbd-server',
  'busybox-static': '/bin/busybox',
  iproute2: '/usr/sbin/ip',
  kmod: '/usr/bin/kmod',
  curl: '/usr/bin/curl',
  cpio: '/usr/bin/cpio',
  e2fsprogs: '/usr/sbin/mke2fs',
}
/** Depends on Debian's current kernel image. */
const KERNEL_PACKAGE = 'linux-image-amd64'

/** Guests cannot run on this machine; the message says why. */
export class CannotBoot extends Error {}

/** An unpacked Debian kernel. */
export interface Kernel {
  /** As `uname -r` prints it. */
  readonly release: string
  readonly vmlinuz: string
  /** The directory that contains `lib/modules`. */
  readonly root: string
}

/** Directory outside the tree that keeps packages, images and disks between runs. */
export function cacheDirectory(env: NodeJS.ProcessEnv): string {
  const directory = env.XDG_CACHE_HOME
    ? join(env.XDG_CACHE_HOME, 'resync-monitor-hil')
    : join(tmpdir(), 'resync-monitor-hil')
  mkdirSync(directory, { recursive: true })
  return directory
}

/**
 * Installs missing packages if this user may.
 * @throws CannotBoot
 */
export async function installPackages(): Promise<void> {
  if (process.platform !== 'linux' || process.arch !== 'x64')
    throw new CannotBoot(`guests are x86-64 Linux, and this machine is ${process.platform} ${process.arch}`)
  const missing = () => Object.entries(PACKAGES).flatMap(([name, file]) => (existsSync(file) ? [] : [name]))
  const wanted = missing()
  if (wanted.length === 0) return
  const named = `these Debian packages are missing: ${wanted.join(' ')}`
  if (!existsSync('/usr/bin/apt-get')) throw new CannotBoot(`${named}, and there is no apt-get`)
  if (process.getuid?.() !== 0) throw new CannotBoot(`${named}, and only root may install them`)
  await apt('apt-get', ['update', '-qq'])
  await apt('apt-get', ['install', '-qq', '-y', '--no-install-recommends', ...wanted])
  const still = missing()
  if (still.length > 0) throw new CannotBoot(`after their installation these are missing still: ${still.join(' ')}`)
}

/**
 * Fetches Debian's current kernel, or takes it from the cache.
 * @throws CannotBoot
 */
export async function fetchKernel(cache: string): Promise<Kernel> {
  const package_ = await kernelPackage()
  const root = join(cache, package_)
  if (!existsSync(root)) {
    const fresh = `${root}.${process.pid}`
    rmSync(fresh, { recursive: true, force: true })
    mkdirSync(fresh, { recursive: true })
    await apt('apt-get', ['download', '-qq', package_], fresh)
    const deb = readdirSync(fresh).find(file => file.endsWith('.deb'))
    if (deb === undefined) throw new CannotBoot(`apt-get download ${package_} has left no package`)
    await execa('dpkg', ['-x', deb, '.'], { cwd: fresh, timeout: UNPACK_TIMEOUT_MS })
    await execa('depmod', ['-b', fresh, releaseIn(fresh)], { timeout: UNPACK_TIMEOUT_MS, env: WITH_SBIN })
    rmSync(join(fresh, deb))
    // Another run may have fetched it meanwhile.
    if (existsSync(root)) rmSync(fresh, { recursive: true })
    else renameSync(fresh, root)
  }
  const release = releaseIn(root)
  return { release, vmlinuz: join(root, `boot/vmlinuz-${release}`), root }
}

/** The superuser's tools are not on other users' PATH. */
export const WITH_SBIN: Readonly<Record<string, string>> = { PATH: `${process.env.PATH}:/usr/sbin:/sbin`, LC_ALL: 'C' }

/** A key that changes when a package was updated, so that images of older packages are made again. */
export async function packagesFingerprint(): Promise<string> {
  const { stdout } = await execa('dpkg-query', ['-W', ...Object.keys(PACKAGES)], { timeout: UNPACK_TIMEOUT_MS })
  return createHash('sha256').update(stdout).digest('hex')
}

async function kernelPackage(): Promise<string> {
  const ask = async () => {
    const asked = await execa('apt-cache', ['depends', KERNEL_PACKAGE], { reject: false, timeout: APT_TIMEOUT_MS })
    return /Depends: (linux-image-\S+)/.exec(asked.stdout ?? '')?.[1]
  }
  const known = await ask()
  if (known !== undefined) return known
  await apt('apt-get', ['update', '-qq'])
  const found = await ask()
  if (found === undefined) throw new CannotBoot(`apt knows no package ${KERNEL_PACKAGE}`)
  return found
}

function releaseIn(root: string): string {
  const [release] = readdirSync(join(root, 'lib/modules'))
  if (release === undefined) throw new CannotBoot(`${root} holds no kernel`)
  return release
}

async function apt(command: string, args: readonly string[], cwd = '/'): Promise<void> {
  const env = { DEBIAN_FRONTEND: 'noninteractive', LC_ALL: 'C' }
  const done = await execa(command, args, { cwd, env, reject: false, timeout: APT_TIMEOUT_MS, stdin: 'ignore' })
  if (done.failed) throw new CannotBoot(`${command} ${args[0]} failed: ${done.stderr?.trim().split('\n').at(-1) ?? ''}`)
}
