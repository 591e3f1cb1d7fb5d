import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** Creates a directory that stands for `/` of a host with DRBD, calls `work` with it, and removes it. */
export async function withDrbdRoot(work: (root: string) => Promise<void>): Promise<void> {
  const root = mkdtempSync(join(tmpdir(), 'resync-monitor-bench-'))
  mkdirSync(join(root, 'sys/module/drbd'), { recursive: true })
  try {
    await work(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}
