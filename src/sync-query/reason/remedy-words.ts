import { shellWord } from '../../platform/text/shell-word.ts'
import type { Reason, ReasonCode } from './reason.ts'

/** What an operator does about a reason. */
export interface Remedy<Place extends string = RemedyPlace> {
  /** What to do, and whether waiting is enough. */
  readonly text: string
  /** What may be lost by doing it. */
  readonly warning?: string
  /** Commands in the order in which they are run; words in capitals are for the operator to fill in. */
  readonly steps: readonly RemedyStep<Place>[]
}

interface RemedyStep<Place extends string> {
  readonly on: Place
  readonly commands: readonly string[]
}

/** `here` is the host that gives the reason; the sides of a copy are for the operator to choose. */
type RemedyPlace = 'here' | 'peer' | 'either-side' | 'losing-side' | 'keeping-side'

/** The words that commands are made of, quoted for a shell. */
export interface Words {
  readonly reason: Reason
  readonly isDrbd: boolean
  readonly resource: string
  /** `RESOURCE/VOLUME`, for what DRBD does to one local disk. */
  readonly volume: string
  /** The connection to the peer, where it has a name: on DRBD 8.4 each peer is called `peer`, and a resource has one. */
  readonly connection: string
  /** The same connection as the peer names it, by the host that gives the reason. */
  readonly connectionThere: string
  /** The volume towards the peer, `RESOURCE:PEER/VOLUME`, for what DRBD does between two disks. */
  readonly pair: string
  readonly pairThere: string
  /** The same for a side that the operator chooses: its other end is a word to be filled in. */
  readonly pairOfLoser: string
  /** The connection of a losing and of a keeping side: the other end is for the operator to fill in. */
  readonly towardsKept: string
  readonly towardsLoser: string
  readonly device: string
  readonly syncAction: string
  readonly wait: string
  /** The host that gives the reason. */
  readonly speaker: string
  /** The file that the reason is about. */
  readonly file: string
  /** Where the agent remembers that the SR had mirrors here, with the default stateDirectory. */
  readonly memoryFile: string
}

/** What to do about a reason, by its code. */
export type Remedies = { readonly [Code in ReasonCode]: (words: Words) => Remedy }

/** See `remedy`. */
export function wordsOf(reason: Reason, sr: string, speaker: string): Words {
  const [, resource = reason.mirror, number = '*'] = /^([^/].*)\/(\d+|\*)$/.exec(reason.mirror) ?? []
  const isNamed = reason.peer !== undefined && reason.peer !== 'peer' && !/^\d+$/.test(reason.peer)
  const volume = number === '*' ? '' : `/${number}`
  const towards = (peer: string | undefined) => (isNamed ? `${resource}:${peer}` : resource)
  return {
    reason,
    isDrbd: /^[^/].*\/(?:\d+|\*)$/.test(reason.mirror),
    resource: shellWord(resource),
    volume: shellWord(`${resource}${volume}`),
    connection: shellWord(towards(reason.peer)),
    connectionThere: shellWord(towards(speaker)),
    pair: shellWord(`${towards(reason.peer)}${volume}`),
    pairThere: shellWord(`${towards(speaker)}${volume}`),
    towardsKept: shellWord(towards('KEPT_HOST')),
    towardsLoser: shellWord(towards('LOSING_HOST')),
    pairOfLoser: shellWord(`${towards('KEPT_HOST')}${volume}`),
    device: shellWord(devicePath(reason.mirror)),
    syncAction: shellWord(`/sys/block/${reason.mirror.replace(/^\/dev\//, '')}/md/sync_action`),
    file: shellWord(reason.waitsFor ?? 'FILE'),
    memoryFile: shellWord(`/var/lib/resync-monitor/had-mirrors/${sr}.json`),
    wait: `resync-monitor wait --sr ${shellWord(sr)}`,
    speaker: shellWord(speaker),
  }
}

export function devicePath(name: string): string {
  return name.startsWith('/') ? name : `/dev/${name}`
}

export function here(text: string, commands: readonly string[]): Remedy {
  return { text, steps: commands.length === 0 ? [] : [{ on: 'here', commands }] }
}

export function waiting({ wait }: Words, text: string): Remedy {
  return here(text, [wait])
}
