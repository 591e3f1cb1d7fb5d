export type GoingDown = 'reboot' | 'shutdown'

/** What the pool remembers of a host beside its records. */
export interface HostMemory {
  /** When it was told to go down; it has not come back since. */
  readonly toldAtMs: number | null
  /** How. `null` also where a state file of an earlier version does not say. */
  readonly toldTo: GoingDown | null
  /** Id of the order. `null` also where a state file of an earlier version does not say. */
  readonly orderId: string | null
  /** Id of the agent process that the pool last heard before the order was made, or that the order was handed out to. */
  readonly orderAgent: string | null
  /** When the order was handed out, by the steady clock; a pool that was restarted takes its own start. `null`: it was not. */
  readonly handedOutSteadyMs: number | null
  /** The order was handed out, and a minute later the host still runs in the same boot. */
  readonly stillHere: boolean
  readonly liveSinceMs: number | null
  /** It has said itself that it goes, or its driver has: only a return ends that, no sign of life. */
  readonly left: boolean
  /** Whether it was enabled, or about to be, when it left. */
  readonly enabledBefore: boolean
  /** It is back, and will be enabled once it was live for the delay. */
  readonly enabling: boolean
  /** An operator has disabled it until host.enable, over reboots too. */
  readonly staysDisabled: boolean
  /** Which boot of its kernel it has spoken of last; `null`: it has not said, since it returned. */
  readonly bootId: string | null
}

/** A host that was not told to go, or has returned since. */
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

/** What outlives this process. The rest is measured by clocks of a run that is over. */
export type LastingHostMemory = Omit<HostMemory, 'liveSinceMs' | 'handedOutSteadyMs' | 'stillHere'>

/** `null`: there is nothing that a pool that begins anew would not know. */
export function lastingOf(whole: HostMemory): LastingHostMemory | null {
  const { liveSinceMs: _, handedOutSteadyMs: __, stillHere: ___, ...memory } = whole
  const { toldAtMs, left, enabling, staysDisabled, bootId } = memory
  return toldAtMs !== null || left || enabling || staysDisabled || bootId !== null ? memory : null
}

/** Reads back what `lastingOf` gave, by this version or an earlier one, which did not say some of it. `null`: it is not that. */
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
