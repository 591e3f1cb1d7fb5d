import type { Readable, Writable } from 'node:stream'

/** What the demo reads commands from and prints to. */
export interface DemoTerminal {
  readonly stdin: Readable & { readonly isTTY?: boolean }
  readonly stdout: Writable & { readonly isTTY?: boolean }
  readonly stderr: Writable
}
