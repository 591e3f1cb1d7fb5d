import type { HoldEvent } from './hold/hold-lever.ts'
import type { BlockCause } from './levers/block-cause.ts'
import type { PlugEvent } from './levers/plug-sentinel.ts'
import type { UndoEvent } from './levers/undo-reboot.ts'

/** What the guard does, and what keeps it from it. */
export type GuardEvent =
  | { readonly code: 'guard-follows' }
  | { readonly code: 'guard-lost'; readonly why: string }
  /** The pool refuses reboots from now on, or still refuses them and has one more reason. */
  | { readonly code: 'guard-blocks'; readonly cause: BlockCause }
  | { readonly code: 'guard-lifts' }
  /** Somebody or something has removed the task while the gate blocks. */
  | { readonly code: 'guard-task-vanished' }
  /** No SR of the type `resync-monitor` is plugged on any host, so nothing can block. */
  | { readonly code: 'guard-powerless'; readonly hasSentinel: boolean }
  | PlugEvent
  | { readonly code: 'guard-field-lags'; readonly why: string }
  | HoldEvent
  | UndoEvent
