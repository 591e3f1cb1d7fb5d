export type GoingDown = 'reboot' | 'shutdown'

/** What the pool knows of a host besides its records. */
export interface HostMemory {
  /** When the host got the order to go down; `null` if it has no order, or has returned since. */
  readonly toldAtMs: number | null
  /** The kind of the order. Also `null` if a state file of an earlier version does not contain it. */
  readonly toldTo: GoingDown | null
  /** Id of the order. Also `null` if a state file of an earlier version does not contain it. */
  readonly orderId: string | null
  /** Id of the agent process that sent the last heartbeat before the order was made, or that received the order. */
  readonly orderAgent: string | null
  /** When the order was handed out, by the steady clock; after a restart of the pool, the time of that restart. `null`: it was not. */
  readonly handedOutSteadyMs: number | null
  /** The host still runs in the same boot a minute after it got the order. */
  readonly stillHere: boolean
  readonly liveSinceMs: number | null
  /** The host or its driver has reported its shutdown. Only a return ends this, a heartbeat does not. */
  readonly left: boolean
  /** Whether the host was enabled, or about to be, when it left. */
  readonly enabledBefore: boolean
  /** The host is back, and is enabled when it has been live for the enable delay. */
  readonly enabling: boolean
  /** An operator has disabled the host until host.enable, across reboots too. */
  readonly staysDisabled: boolean
  /** Id of the kernel boot of its last heartbeat; `null` if it has sent none since it returned. */
  readonly bootId: string | null
}

/** The values of a host without an order, or that has returned since. */
export const NO_ORDER = {
  toldAtMs: null,
  toldTo: null,
  orderId: null,
  orderAgent: null,
  handedOutSteadyMs: null,
  stillHere: false,
} as const

export const UNKNOWN_HOST: HostMemory = {
  ...NO_ORDER,
  liveSinceMs: null,
  left: false,
  enabledBefore: true,
  enabling: false,
  staysDisabled: false,
  bootId: null,
}

/** The part that the state file keeps. The rest is measured by clocks of this run. */
export type LastingHostMemory = Omit<HostMemory, 'liveSinceMs' | 'handedOutSteadyMs' | 'stillHere'>

/** The part to keep; `null` if a new pool would know the same. */
export function lastingOf(whole: HostMemory): LastingHostMemory | null {
  const { liveSinceMs: _, handedOutSteadyMs: __, stillHere: ___, ...memory } = whole
  const { toldAtMs, left, enabling, staysDisabled, bootId } = memory
  return toldAtMs !== null || left || enabling || staysDisabled || bootId !== null ? memory : null
}

/** Decodes a kept memory of this version or an earlier one, which lacks some fields. `null` if it is invalid. */
export function decodeHostMemory(memory: Readonly<Record<string, unknown>>): LastingHostMemory | null {
  const { liveSinceMs: _, toldAtMs: __, left: ___, ...defaults } = UNKNOWN_HOST
  const whole: Readonly<Record<string, unknown>> = { ...defaults, ...memory }
  const { toldAtMs, toldTo, orderId, orderAgent, left, enabledBefore, enabling, staysDisabled, bootId } = whole
  if (toldAtMs !== null && typeof toldAtMs !== 'number') return null
  if (toldTo !== null && toldTo !== 'reboot' && toldTo !== 'shutdown') return null
  if (typeof left !== 'boolean' || typeof enabledBefore !== 'boolean' || typeof enabling !== 'boolean') return null
  if (typeof staysDisabled !== 'boolean' || !isTextOrNull(bootId)) return null
  if (!isTextOrNull(orderId) || !isTextOrNull(orderAgent)) return null
  return { toldAtMs, toldTo, orderId, orderAgent, left, enabledBefore, enabling, staysDisabled, bootId }
}

function isTextOrNull(value: unknown): value is string | null {
  return value === null || typeof value === 'string'
}
