import type { Command } from './terminal.ts'

interface ListedCommand {
  readonly name: string
  readonly summary: string
  /** Only the command that runs is loaded: a daemon need not carry the demo, nor wait for it. */
  readonly load: () => Promise<Command>
}

export const COMMANDS: readonly ListedCommand[] = [
  {
    name: 'agent',
    summary: 'the daemon of one host',
    load: async () => (await import('./daemon/agent.ts')).agent,
  },
  {
    name: 'updater',
    summary: "the coordinator's daemon, with an embedded pool",
    load: async () => (await import('./daemon/updater.ts')).updater,
  },
  {
    name: 'demo',
    summary: 'an embedded pool of three hosts, to reboot and to watch',
    load: async () => (await import('./demo/demo.ts')).demo,
  },
  {
    name: 'inspect',
    summary: 'what recorded output of drbdsetup, /proc and /sys says',
    load: async () => (await import('./inspect/inspect.ts')).inspect,
  },
  {
    name: 'what-if',
    summary: 'which host operations a recorded pool state allows',
    load: async () => (await import('./what-if.ts')).whatIfCommand,
  },
]
