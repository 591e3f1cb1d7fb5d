export type GoingDown = 'reboot' | 'shutdown'

/** What the pool remembers of a host beside its records. */
export interface HostMemory {
  /** When it was told to go down; it has not come back since. */
  readonly toldAtMs: number | null
  /** How. `null` also where a state file of an earlier version does not say. */
  readonly toldTo: GoingDown | null
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

export const UNKNOWN_HOST: HostMemory = {
  toldAtMs: null,
  toldTo: null,
  liveSinceMs: null,
  left: false,
  enabledBefore: true,
  enabling: false,
  staysDisabled: false,
  bootId: null,
}

/** What of it outlives this process: whoever has been live was so in a time that is over. */
export type LastingHostMemory = Omit<HostMemory, 'liveSinceMs'>

/** `null`: there is nothing that a pool that begins anew would not know. */
export function lastingOf({ liveSinceMs: _, ...memory }: HostMemory): LastingHostMemory | null {
  const { toldAtMs, left, enabling, staysDisabled, bootId } = memory
  return toldAtMs !== null || left || enabling || staysDisabled || bootId !== null ? memory : null
}

/** Reads back what `lastingOf` gave, by this version or an earlier one, which did not say some of it. `null`: it is not that. */
export function decodeHostMemory(memory: Readonly<Record<string, unknown>>): LastingHostMemory | null {
  const { liveSinceMs: _, toldAtMs: __, left: ___, ...defaults } = UNKNOWN_HOST
  const whole: Readonly<Record<string, unknown>> = { ...defaults, ...memory }
  const { toldAtMs, toldTo, left, enabledBefore, enabling, staysDisabled, bootId } = whole
  if (toldAtMs !== null && typeof toldAtMs !== 'number') return null
  if (toldTo !== null && toldTo !== 'reboot' && toldTo !== 'shutdown') return null
  if (typeof left !== 'boolean' || typeof enabledBefore !== 'boolean' || typeof enabling !== 'boolean') return null
  if (typeof staysDisabled !== 'boolean' || (bootId !== null && typeof bootId !== 'string')) return null
  return { toldAtMs, toldTo, left, enabledBefore, enabling, staysDisabled, bootId }
}
