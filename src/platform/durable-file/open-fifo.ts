import { execFileSync } from 'node:child_process'
import { closeSync, constants, openSync, rmSync } from 'node:fs'
import { codeOf } from '../errors.ts'

const MKFIFO_TIMEOUT_MS = 10_000

/** A FIFO that this process keeps open. The kernel closes it with the process, however that ends. */
interface KeptFifo {
  readonly path: string
  /** Closes and removes it. */
  close(): void
}

/** Makes a FIFO and keeps it open. `null`: it cannot be made here (there is no mkfifo, or the file system has no FIFOs). */
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
 * Whether a process keeps a FIFO open, in whatever container: opening it to write fails with ENXIO if nobody reads it (fifo(7)).
 * One of which that cannot be known counts as open.
 */
export function isOpenSomewhere(path: string): boolean {
  try {
    closeSync(openSync(path, constants.O_WRONLY | constants.O_NONBLOCK))
    return true
  } catch (error) {
    return codeOf(error) !== 'ENXIO'
  }
}
