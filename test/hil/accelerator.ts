import { existsSync } from 'node:fs'
import { execa } from 'execa'
import type { Kernel } from './packages.ts'

/** A guest that truly runs has booted long before. */
const PROBE_MS = 10_000

/** Without the limit qemu lets what it has translated grow to 1 GiB a guest. */
const EMULATION = ['-accel', 'tcg,thread=multi,tb-size=128', '-cpu', 'max']
const KVM = ['-accel', 'kvm', '-cpu', 'host']

/**
 * How qemu is to run machine code: with KVM if a guest really boots with it, else by emulation. That /dev/kvm is there and
 * can be opened says nothing: in nested machines it refuses registers, or its guests never execute anything.
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
