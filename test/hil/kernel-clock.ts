import type { Guest } from './guest.ts'

/** The kernel drops more than 10 lines per 5 s from /dev/kmsg (printk_ratelimited). */
const MARKS = 8

/** A moment of a guest's kernel log, converted to the driver's `performance.now()`. */
export interface KernelMoment {
  readonly atMs: number
  /** Maximum error: the difference of the clocks of guest and driver is only known within bounds. */
  readonly errorMs: number
}

/**
 * Returns when a guest's kernel last logged a line, by the driver's clock. To compare the clocks the guest writes marks into its kernel
 * log: each was written between the driver's request and the answer, which bounds the difference.
 * @throws Error if there is no such line or no mark; ShellFailure
 */
export async function whenLogged(guest: Guest, line: RegExp): Promise<KernelMoment> {
  const asked: { readonly mark: string; readonly beforeMs: number; readonly afterMs: number }[] = []
  for (let count = 0; count < MARKS; count += 1) {
    const beforeMs = performance.now()
    const mark = `hil-mark-${Math.round(beforeMs)}`
    await guest.sh(`echo ${mark} >/dev/kmsg`)
    asked.push({ mark, beforeMs, afterMs: performance.now() })
  }
  const log = [...(await guest.sh('dmesg')).matchAll(/^(?:<\d+>)?\[ *(\d+\.\d+)\] (.*)$/gm)].map(
    ([, seconds, text = '']) => ({
      atMs: Number(seconds) * 1000,
      text,
    }),
  )
  const found = log.findLast(({ text }) => line.test(text))
  if (found === undefined) throw new Error(`the kernel of ${guest.name} has no line ${line} in its log`)
  let least = Number.NEGATIVE_INFINITY
  let most = Number.POSITIVE_INFINITY
  for (const { mark, beforeMs, afterMs } of asked) {
    const written = log.find(({ text }) => text.includes(mark))
    if (written === undefined) continue
    least = Math.max(least, beforeMs - written.atMs)
    most = Math.min(most, afterMs - written.atMs)
  }
  if (!Number.isFinite(most - least)) throw new Error(`the kernel of ${guest.name} has no mark in its log`)
  return { atMs: found.atMs + (least + most) / 2, errorMs: (most - least) / 2 }
}
