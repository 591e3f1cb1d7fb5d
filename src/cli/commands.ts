import type { Command } from './terminal.ts'

interface ListedCommand {
  readonly name: string
  readonly summary: string
  /** Only the command that runs is loaded: a daemon need not carry the demo, nor wait for it. */
  readonly load: () => Promise<Command>
}

export const COMMANDS: readonly ListedCommand[] = [
  {
    name: 'status',
    summary: 'how the mirrors of this host are, and what is blocked',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'watch',
    summary: 'the same, live',
    load: async () => (await import('./watch/watch.ts')).watch,
  },
  {
    name: 'explain',
    summary: 'why something blocks, and what to do about it',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'wait',
    summary: 'waits until all is in sync, or a host may reboot',
    load: async () => (await import('./wait/wait.ts')).wait,
  },
  {
    name: 'can-reboot',
    summary: 'whether hosts may be down',
    load: async () => (await import('./commands/can-reboot.ts')).canRebootCommand,
  },
  {
    name: 'override',
    summary: 'lets one host go although storage says no',
    load: async () => (await import('./commands/override.ts')).override,
  },
  {
    name: 'clear-order',
    summary: 'clears an order to reboot that a host does not carry out',
    load: async () => (await import('./commands/clear-order.ts')).clearOrder,
  },
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
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'inspect',
    summary: 'what recorded output of drbdsetup, /proc and /sys says',
    load: async () => (await import('./inspect/inspect.ts')).inspect,
  },
  {
    name: 'what-if',
    summary: 'which host operations a recorded pool state allows',
    load: async () => (await import('./commands/what-if.ts')).whatIfCommand,
  },
  {
    name: 'completion',
    summary: 'the completion script for bash',
    load: async () => (await import('./commands/completion.ts')).completion,
  },
]
