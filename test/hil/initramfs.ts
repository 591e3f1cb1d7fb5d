import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { basename, dirname, join, relative } from 'node:path'
import { execa } from 'execa'
import { type Kernel, packagesFingerprint, WITH_SBIN } from './packages.ts'

const TOOL_TIMEOUT_MS = 120_000
const SCRIPTS = join(import.meta.dirname, 'guest')
/** Raise this when this file makes another image of the same packages and scripts. */
const LAYOUT = 1

const MODULES =
  'virtio_pci virtio_blk virtio_net 9p 9pnet_virtio ext4 crc32c_generic crc32c_intel libcrc32c drbd raid1 md-mod nbd loop'

/** The kernel calls drbdadm too, at the start of each resync. */
const PROGRAMS = [
  '/sbin/drbdadm',
  '/sbin/drbdsetup',
  '/sbin/drbdmeta',
  '/lib/drbd/drbdadm-84',
  '/lib/drbd/drbdsetup-84',
  '/sbin/mdadm',
  '/bin/kmod',
  '/sbin/ip',
  '/bin/nbd-server',
  '/sbin/nbd-client',
  '/bin/curl',
]

/**
 * Makes the root file system of a guest, an initramfs: busybox, the tools with their libraries, the kernel's modules, the scripts of
 * `guest/`. Taken from the cache unless one of its parts has changed.
 * @param alsoLibrariesOf a program on another disk that guests run
 * @returns path of the initramfs
 */
export async function makeInitramfs(cache: string, kernel: Kernel, alsoLibrariesOf: string): Promise<string> {
  const hash = createHash('sha256').update(
    `${LAYOUT} ${kernel.release} ${MODULES} ${PROGRAMS} ${await packagesFingerprint()}`,
  )
  for (const script of readdirSync(SCRIPTS).toSorted()) hash.update(readFileSync(join(SCRIPTS, script)))
  const file = join(cache, `initramfs-${hash.digest('hex').slice(0, 16)}.gz`)
  if (existsSync(file)) return file

  const fresh = `${file}.${process.pid}`
  const root = join(cache, `initramfs.${process.pid}`)
  rmSync(root, { recursive: true, force: true })
  for (const directory of [
    'bin',
    'sbin',
    'lib/drbd',
    'lib64',
    'dev',
    'proc',
    'sys',
    'run',
    'tmp',
    'etc',
    'out',
    'opt',
    'var/lib',
    'var/log',
    'usr',
  ])
    mkdirSync(join(root, directory), { recursive: true })
  for (const merged of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`../${merged}`, join(root, 'usr', merged))
  symlinkSync('/run', join(root, 'var/run'))
  symlinkSync('/run/lock', join(root, 'var/lock'))
  copyFileSync('/bin/busybox', join(root, 'bin/busybox'))
  for (const program of PROGRAMS) place(root, program)
  for (const library of await librariesOf([...PROGRAMS, alsoLibrariesOf])) place(root, library)
  for (const applet of ['modprobe', 'insmod', 'rmmod', 'lsmod']) symlinkSync('/bin/kmod', join(root, 'sbin', applet))
  for (const script of readdirSync(SCRIPTS)) {
    const target = join(root, script === 'init' ? '' : 'sbin', script)
    copyFileSync(join(SCRIPTS, script), target)
    chmodSync(target, 0o755)
  }
  writeFileSync(join(root, 'etc/passwd'), 'root:x:0:0:root:/:/bin/sh\n')
  writeFileSync(join(root, 'etc/group'), 'root:x:0:\ndisk:x:6:\nhaclient:x:60:\n')
  writeFileSync(join(root, 'etc/hosts'), '127.0.0.1 localhost\n')
  await placeModules(root, kernel)
  await execa(`find . | cpio -o -H newc --quiet | gzip -1 > '${fresh}'`, {
    cwd: root,
    timeout: TOOL_TIMEOUT_MS,
    shell: true,
  })
  rmSync(root, { recursive: true })
  renameSync(fresh, file)
  return file
}

/** Copies a file to the same path below `root`, where /usr/bin and /bin are one, as in Debian. */
function place(root: string, file: string): void {
  const target = join(root, file.replace(/^\/usr\//, '/'))
  mkdirSync(dirname(target), { recursive: true })
  copyFileSync(file, target)
  chmodSync(target, 0o755)
}

async function librariesOf(programs: readonly string[]): Promise<ReadonlySet<string>> {
  const { stdout } = await execa('ldd', programs, { timeout: TOOL_TIMEOUT_MS })
  return new Set(stdout.matchAll(/(\/\S+) \(0x/g).map(([, library = '']) => library))
}

async function placeModules(root: string, { root: from, release }: Kernel): Promise<void> {
  const args = ['-d', from, '-S', release, '--show-depends', '-a', ...MODULES.split(' ')]
  const { stdout } = await execa('modprobe', args, { timeout: TOOL_TIMEOUT_MS, env: WITH_SBIN })
  const modules = new Set(stdout.matchAll(/^insmod (\S+)/gm).map(([, module = '']) => module))
  const directory = join('lib/modules', release)
  for (const module of modules) {
    const target = join(root, relative(from, module))
    mkdirSync(dirname(target), { recursive: true })
    copyFileSync(module, target)
  }
  for (const index of readdirSync(join(from, directory)).filter(each =>
    /^modules\.(builtin|builtin\.modinfo|order)$/.test(each),
  ))
    copyFileSync(join(from, directory, index), join(root, directory, basename(index)))
  await execa('depmod', ['-b', root, release], { timeout: TOOL_TIMEOUT_MS, env: WITH_SBIN })
}
