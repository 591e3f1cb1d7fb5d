import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { codeOf } from '../errors.ts'

const MKFIFO_TIMEOUT_MS = 10_000

/** A FIFO that this process keeps open. The kernel closes it when the process ends in any way. */
interface KeptFifo {
  readonly path: string
  /** Closes and removes the FIFO. */
  close(): void
}

/** Creates a FIFO and keeps it open. `null`: not possible (no mkfifo, or a file system without FIFOs). */
export function keepFifo(path: string): KeptFifo | null {
  let file: number | null
  try {
    execFileSync('mkfifo', ['-m', '600', path], { stdio: 'ignore', timeout: MKFIFO_TIMEOUT_MS })
    // both ends: opening one alone would wait for the other
    file = openSync(path, constants.O_RDWR | constants.O_NONBLOCK)
  } catch {
    rmSync(path, { force: true })
    return null
  }
  return {
    path,
    close: () => {
      if (file === null) return
      rmSync(path, { force: true })
      closeSync(file)
      file = null
    },
  }
}

/**
 * Whether a process of any container keeps a FIFO open: opening it for writing fails with ENXIO if it has no reader (fifo(7)). After any
 * other error it counts as open.
 */
export function isOpenSomewhere(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
    return true
  } catch (error) {
    return codeOf(error) !== 'ENXIO'
  }
}
