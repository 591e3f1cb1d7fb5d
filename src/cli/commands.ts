import type { ListedCommand } from './terminal.ts'

export const COMMANDS: readonly ListedCommand[] = [
  {
    name: 'status',
    summary: 'show the SRs of this host, and what is blocked in the pool',
    load: async () => (await import('./commands/status.ts')).status,
  },
  {
    name: 'watch',
    summary: 'show the same, live',
    load: async () => (await import('./watch/watch.ts')).watch,
  },
  {
    name: 'explain',
    summary: 'show why something blocks, and what to do',
    load: async () => (await import('./commands/explain.ts')).explain,
  },
  {
    name: 'wait',
    summary: 'wait until SRs are in sync, or a host may go down',
    load: async () => (await import('./wait/wait.ts')).wait,
  },
  {
    name: 'can-reboot',
    summary: 'check whether hosts may be down at the same time',
    load: async () => (await import('./commands/can-reboot.ts')).canRebootCommand,
  },
  {
    name: 'override',
    summary: 'allow one host to go down although storage blocks it',
    load: async () => (await import('./commands/override.ts')).override,
  },
  {
    name: 'clear-order',
    summary: 'clear an order to go down that a host does not carry out',
    load: async () => (await import('./commands/clear-order.ts')).clearOrder,
  },
  {
    name: 'reserve',
    summary: 'reserve the next reboot of a stock pool for one host',
    load: async () => (await import('./stock/reserve.ts')).reserve,
  },
  {
    name: 'doctor',
    summary: 'check whether a stock pool is protected, and by what',
    load: async () => (await import('./stock/doctor.ts')).doctor,
  },
  {
    name: 'agent',
    summary: 'run the daemon of a host',
    load: async () => (await import('./daemon/agent.ts')).agent,
  },
  {
    name: 'updater',
    summary: 'run the daemon of the coordinator, with an embedded pool',
    load: async () => (await import('./daemon/updater.ts')).updater,
  },
  {
    name: 'demo',
    summary: 'run an embedded pool of three hosts to try the program',
    load: async () => (await import('./commands/demo.ts')).demo,
  },
  {
    name: 'inspect',
    summary: 'parse recorded output of drbdsetup, /proc and /sys',
    load: async () => (await import('./inspect/inspect.ts')).inspect,
  },
  {
    name: 'what-if',
    summary: 'compute the allowed operations of recorded pool states',
    load: async () => (await import('./commands/what-if.ts')).whatIfCommand,
  },
  {
    name: 'completion',
    summary: 'print the completion script for bash',
    load: async () => (await import('./commands/completion.ts')).completionOf(COMMANDS),
  },
]
