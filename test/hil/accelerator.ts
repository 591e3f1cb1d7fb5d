import { existsSync } from 'node:fs'
import { execa } from 'execa'
import type { Kernel } from './packages.ts'

/** A working guest boots in much less time. */
const PROBE_MS = 10_000

/** Limits qemu's translation cache, which otherwise grows to 1 GiB per guest. */
const EMULATION = ['-accel', 'tcg,thread=multi,tb-size=128', '-cpu', 'max']
const KVM = ['-accel', 'kvm', '-cpu', 'host']

/**
 * Chooses KVM if a guest really boots with it, otherwise emulation. An existing /dev/kvm that can be opened proves nothing: in nested
 * machines it refuses registers, or its guests never execute anything.
 */
export async function chooseAccelerator(kernel: Kernel, initramfs: string): Promise<readonly string[]> {
  if (!existsSync('/dev/kvm')) return EMULATION
  const args = [...KVM, '-m', '256', '-nodefaults', '-display', 'none', '-no-reboot', '-kernel', kernel.vmlinuz]
  const boot = [
    '-initrd',
    initramfs,
    '-append',
    'console=ttyS0 quiet panic=-1 node=probe hil_ip=10.9.9.9',
    '-serial',
    'stdio',
  ]
  const probe = execa('qemu-system-x86_64', [...args, ...boot], { reject: false, timeout: PROBE_MS, stdin: 'ignore' })
  for await (const line of probe.iterable()) {
    if (!line.includes('HIL-READY')) continue
    probe.kill('SIGKILL')
    await probe
    return KVM
  }
  return EMULATION
}
