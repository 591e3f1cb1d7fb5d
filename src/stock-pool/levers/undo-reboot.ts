import type { HostSnapshot } from '../../allowed-operations/pool/pool-snapshot.ts'
import type { ObservedSr } from '../../allowed-operations/rules/sr-members.ts'
import { messageOf } from '../../platform/errors.ts'
import type { XenApiClient } from '../../xenapi-client/client.ts'

/** `host`: ref of the host whose reboot was accepted second. */
export type UndoEvent =
  | { readonly code: 'reboot-undone'; readonly host: string; readonly first: string }
  | { readonly code: 'reboot-not-undone'; readonly host: string; readonly first: string; readonly why: string }

export interface UndoQuestion {
  readonly srs: readonly Pick<ObservedSr, 'members'>[]
  /** Since when each host has an order to go down, by ref, in milliseconds since 1970. */
  readonly goingSinceMs: ReadonlyMap<string, number>
  /** Ref of the coordinator. */
  readonly coordinator: string
  readonly now: number
}

/** xapi runs `/sbin/shutdown` 10 s after the acceptance, and `host.restart_agent` acts after one. */
const POSSIBLE_WITHIN_MS = 8_000
const CALL = { timeoutMs: 5_000 }

/** Two hosts of one SR that both have an order to go down. */
interface SecondReboot {
  /** Ref of the host that stays. */
  readonly host: string
  readonly first: string
}

/**
 * Finds a reboot that was accepted although another host of the same SR already goes: xapi checks each host alone. The later one is undone,
 * and rather a member than the coordinator, whose toolstack would be away.
 */
export function findSecondReboot({ srs, goingSinceMs, coordinator, now }: UndoQuestion): SecondReboot | null {
  for (const { members } of srs) {
    const going = members.map(({ host }) => host).filter(host => isStillHere(host) && goingSinceMs.has(host.ref))
    const since = ({ ref }: HostSnapshot) => goingSinceMs.get(ref) ?? 0
    const [first, ...others] = going.toSorted(
      (a, b) => Number(b.ref === coordinator) - Number(a.ref === coordinator) || since(a) - since(b),
    )
    const second = others.findLast(host => now - since(host) <= POSSIBLE_WITHIN_MS)
    if (first !== undefined && second !== undefined) return { host: second.ref, first: first.ref }
  }
  return null
}

function isStillHere({ live, leaving }: HostSnapshot): boolean {
  return live === true && leaving
}

/**
 * Undoes a second reboot: the thread of xapi that waits before `/sbin/shutdown` ends with the toolstack of that host, so `host.restart_agent`
 * drops the order. No virtual machine is touched. Executed on a pool of three hosts, 0.3 s and 7 s after the acceptance.
 */
export class UndoReboot {
  readonly #client: XenApiClient
  readonly #onEvent: (event: UndoEvent) => void
  /** Refs of the hosts whose order was undone: when it was seen. An order is undone once. */
  readonly #undone = new Map<string, number>()

  constructor(client: XenApiClient, onEvent: (event: UndoEvent) => void) {
    this.#client = client
    this.#onEvent = onEvent
  }

  run(question: UndoQuestion): void {
    const { goingSinceMs } = question
    for (const [host, sinceMs] of this.#undone) if (goingSinceMs.get(host) !== sinceMs) this.#undone.delete(host)
    const left = new Map([...goingSinceMs].filter(([host]) => !this.#undone.has(host)))
    const found = findSecondReboot({ ...question, goingSinceMs: left })
    if (found === null) return
    this.#undone.set(found.host, goingSinceMs.get(found.host) ?? 0)
    void this.#undo(found)
  }

  async #undo({ host, first }: SecondReboot): Promise<void> {
    try {
      await this.#client.call('host.restart_agent', [host], CALL)
      this.#onEvent({ code: 'reboot-undone', host, first })
    } catch (error) {
      this.#onEvent({ code: 'reboot-not-undone', host, first, why: messageOf(error) })
    }
  }
}
