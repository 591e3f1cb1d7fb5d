import type { DrbdDoubt, DrbdVolume, PassedThrough } from '../../sync-query/judge/drbd.ts'
import { keptWord } from '../drbd-words.ts'
import { SaidWords } from '../said-words.ts'
import { DirtyMirrors } from './dirty-mirrors.ts'
import {
  applyConnection,
  applyDevice,
  applyHelper,
  applyIo,
  applyPath,
  applyPeerDevice,
  type Outcome,
} from './events2-apply.ts'
import type { Events2Change, Events2Line } from './events2-line.ts'
import { Events2Losses } from './events2-losses.ts'
import { doubtOlder, doubtOvertaken, isOvertaken, toldBefore } from './events2-overtaken.ts'
import { Events2Problems } from './events2-problems.ts'
import {
  type DeviceState,
  mirrorName,
  newResource,
  type PeerDeviceState,
  type ResourceState,
  volumeOf,
} from './events2-tree.ts'

/** Far above what one host can hold; beyond it a stream is broken, and its state unknown. */
const MAX_RESOURCES = 65_536
const MAX_MIRRORS = 65_536
/** A dump takes moments. */
const MAX_OVERTAKING = 1024

const NO_DOUBTS: readonly DrbdDoubt[] = []

const NOTHING_PASSED = () => null
const TAKE_PASSED = ({ passage, outOfSyncBytes }: PeerDeviceState) => passage.take(outOfSyncBytes)

/**
 * Everything that a stream of events2 has said, merged: `apply` each line, then ask for the mirrors that it touched.
 *
 * Trust is one-sided. A `change` carries only what changed, so one lost line can hide the start of a resync for ever:
 * - until `exists -` ends a dump every mirror is doubted; an object announced by `exists` after that starts a new dump;
 * - a line that cannot be applied doubts the mirrors of the resource that it names, one that names no known resource every
 *   mirror, until the next whole dump;
 * - what was not said stays `null`: the judge never takes it for "fine".
 * Where somebody reads everything again as soon as lines are lost (`isReread`), a line that names no known resource doubts
 * nothing by itself: what is read then decides. Within a dump it does, for what is read then may lack the same line.
 *
 * A change costs the volumes of its resource at most, however many mirrors there are. Memory is bounded.
 */
export class Events2State {
  /** What was not understood. */
  readonly problems = new Events2Problems()
  /** What was lost. */
  readonly losses = new Events2Losses()
  readonly said = new SaidWords()
  readonly dirty = new DirtyMirrors()
  readonly #resources = new Map<string, ResourceState>()
  readonly #mirrors = new Map<string, DeviceState>()
  /** Mirrors of the dump before, while a new one is read. */
  readonly #previous = new Map<string, DeviceState>()
  /** Lines that came before the present dump announced their objects, or that say that it should not. */
  #overtaking: Events2Change[] = []
  /** Resources of which an event told another state than the dump. */
  readonly #overtaken = new Set<ResourceState>()
  readonly #isReread: boolean
  #dumping = true
  #family: DrbdVolume['family'] = null

  constructor({ isReread = false }: { readonly isReread?: boolean } = {}) {
    this.#isReread = isReread
  }

  /** True once a whole dump was read and no line is missing that could have been of any mirror. */
  get complete(): boolean {
    return !this.#dumping && !this.losses.all
  }

  /** A line was lost, and what it named is doubted. */
  get hasLost(): boolean {
    return this.losses.any
  }

  /** A change that overtook its dump put words in doubt. A later line may lift that, another whole dump is sure to. */
  get hasOvertaken(): boolean {
    return this.#overtaken.values().some(isOvertaken)
  }

  /** A resource that had lost lines was read again, and is as it is known. */
  restore(name: string): void {
    this.losses.settle(name)
    const resource = this.#resources.get(name)
    if (resource !== undefined) this.dirty.touchAll(resource)
  }

  /** A recording is over, and nobody reads anything again: what was skipped or came out of order is lost. */
  endRecording(): void {
    const { hasLost, disordered } = this.losses.order
    for (const name of disordered) this.#lose(name)
    if (hasLost) this.#loseAll()
    this.#doubtSharedMinors()
  }

  /** The mirrors that may have changed, appeared or gone since the last call. */
  takeDirty(): ReadonlySet<string> {
    return this.dirty.take()
  }

  /** The volume as it is now. `null`: the kernel has no such volume (any more). */
  volume(mirror: string): DrbdVolume | null {
    return this.#volume(mirror, NOTHING_PASSED)
  }

  /** As `volume`, with what its pairs passed through since it was last taken. */
  takeVolume(mirror: string): DrbdVolume | null {
    return this.#volume(mirror, TAKE_PASSED)
  }

  #volume(mirror: string, passedOf: (seen: PeerDeviceState) => PassedThrough | null): DrbdVolume | null {
    const device = this.#mirrors.get(mirror) ?? this.#previous.get(mirror)
    return device === undefined ? null : volumeOf(device, this.#family, this.#doubts(device), passedOf)
  }

  /** Every volume that the present dump and the events since have named, as it is kept. */
  devices(): IteratorObject<DeviceState> {
    return this.#mirrors.values()
  }

  /** How many volumes `devices` goes through. */
  get size(): number {
    return this.#mirrors.size
  }

  device(mirror: string): DeviceState | undefined {
    return this.#mirrors.get(mirror)
  }

  volumes(): DrbdVolume[] {
    const unread = [...this.#previous.values()].filter(({ mirror }) => !this.#mirrors.has(mirror))
    const devices = [...this.#mirrors.values(), ...unread]
    return devices.map(device => volumeOf(device, this.#family, this.#doubts(device), NOTHING_PASSED))
  }

  apply(line: Events2Line): void {
    switch (line.kind) {
      case 'change':
        this.#applyChange(line)
        return
      case 'dump-end':
        this.#endDump()
        return
      case 'skipped':
        this.problems.add(null, 'events-skipped', 'Events came out of order or were lost', `- skipped ${line.count}`)
        if (this.#isReread) this.losses.suspect()
        else this.losses.order.skip(line.count)
        return
      case 'garbled':
        this.problems.add(line.resource, line.why, 'Cannot be applied', line.text)
        this.#loseGarbled(line.resource)
    }
  }

  /** The kernel gives each minor to one volume: which of two is right cannot be known. */
  #doubtSharedMinors(): void {
    const byMinor = new Map<string, DeviceState>()
    for (const device of this.#mirrors.values()) {
      const { minor, mirror, resource } = device
      if (minor === null) continue
      const other = byMinor.get(minor)
      byMinor.set(minor, device)
      if (other === undefined) continue
      this.problems.add(mirror, 'contradiction', `The minor of ${other.mirror}`, minor)
      this.#lose(resource.name)
      this.#lose(other.resource.name)
    }
  }

  #doubts({ resource }: DeviceState): readonly DrbdDoubt[] {
    if (!this.#dumping && !this.hasLost) return NO_DOUBTS
    const doubts: DrbdDoubt[] = []
    if (this.#dumping) doubts.push({ code: 'dump-incomplete' })
    if (this.losses.has(resource.name)) doubts.push({ code: 'events-lost' })
    return doubts
  }

  #beginDump(): void {
    for (const [mirror, device] of this.#mirrors) this.#previous.set(mirror, device)
    this.#markAll()
    this.#mirrors.clear()
    this.#resources.clear()
    this.losses.clear()
    this.#overtaking = []
    this.#overtaken.clear()
    this.#dumping = true
    this.#family = null
  }

  #endDump(): void {
    // A second `exists -` in a row is a dump of nothing: the module was loaded anew (`--poll`).
    if (!this.#dumping) this.#beginDump()
    this.#dumping = false
    for (const line of this.#overtaking) {
      const resource = this.#resources.get(line.resource)
      if (resource === undefined) {
        const isTold = line.verb === 'destroy' || (line.newName !== undefined && this.#resources.has(line.newName))
        if (!isTold) this.#loseAll()
        continue
      }
      const outcome = doubtOvertaken(resource, line)
      if (outcome === 'unannounced' || outcome === 'gone') this.#lose(resource.name)
      if (outcome === 'differs') this.#overtaken.add(resource)
    }
    this.#overtaking = []
    // A volume of which every line was lost would be missing without a word.
    for (const name of this.losses.resources) if (this.#resources.get(name)?.devices.size === 0) this.#loseAll()
    this.#markAll()
    this.#previous.clear()
  }

  #markAll(): void {
    for (const device of this.#previous.values()) this.dirty.touch(device)
    for (const device of this.#mirrors.values()) this.dirty.touch(device)
  }

  /** A line of this resource was lost; of any resource if it is `null` or unknown. */
  #lose(name: string | null): void {
    const resource = name === null ? undefined : this.#resources.get(name)
    if (resource !== undefined) {
      if (this.losses.lose(resource.name)) this.dirty.touchAll(resource)
    } else if (this.#isReread && !this.#dumping) this.losses.suspect()
    else this.#loseAll()
  }

  #loseAll(): void {
    if (this.losses.loseAll()) this.#markAll()
  }

  /** As `#lose`. Within a dump the lost line may be the one that announces the resource. */
  #loseGarbled(name: string | null): void {
    if (name !== null && this.#dumping && this.#resources.size < MAX_RESOURCES && !this.#resources.has(name)) {
      const kept = keptWord(name)
      this.#resources.set(kept, newResource(kept))
    }
    this.#lose(name)
  }

  #applyChange(line: Events2Change): void {
    if (line.verb === 'exists' && !this.#dumping) this.#beginDump()
    // Only DRBD 9 has some keys; 8.4 names every peer so, and has none of them.
    if (line.speaksNine) this.#family = '9'
    else if (this.#family === null && line.connName === 'peer' && line.peerNodeId === '0') this.#family = '8.4'
    const doubts = this.problems.addOdd(line)
    if (this.losses.order.hasGap) this.losses.order.note(line)
    this.said.note(line)
    const resource = this.#resources.get(line.resource)
    if (this.#dumping && line.verb === 'destroy') this.#keepOvertaking(line)
    if (line.object === 'unknown') {
      if (doubts.length > 0 || line.saysState()) this.#lose(line.resource)
    } else if (line.object === 'resource') this.#settle(line, this.#applyResource(resource, line))
    else if (line.object === 'helper') {
      if (resource === undefined) return
      applyHelper(resource, line)
      this.dirty.touchAll(resource)
    } else if (resource === undefined) this.#settle(line, line.verb === 'destroy' ? 'destroy-unknown' : 'unannounced')
    else this.#settle(line, this.#applyTo(resource, line, doubts))
  }

  /** A connection, path, device or peer-device of a known resource. */
  #applyTo(resource: ResourceState, line: Events2Change, doubts: readonly DrbdDoubt[]): Outcome {
    const { object, volume } = line
    if (volume === undefined || object === 'connection' || object === 'path') {
      const apply = () => (object === 'path' ? applyPath(resource, line) : applyConnection(resource, line, doubts))
      const outcome = this.#announcing(resource, line, apply)
      this.dirty.touchAll(resource)
      return outcome
    }
    const device = resource.devices.get(volume)
    const { peers, splitBrain } = resource
    if (device === undefined && this.#mirrors.size >= MAX_MIRRORS) return 'too-many'
    const apply = object === 'device' ? applyDevice : applyPeerDevice
    const outcome = this.#announcing(resource, line, () => apply(resource, device, line, doubts))
    if (line.verb !== 'change') this.#index(device, resource.devices.get(volume))
    if (peers !== resource.peers || splitBrain !== resource.splitBrain) this.dirty.touchAll(resource)
    else if (device !== undefined) this.dirty.touch(device)
    return outcome
  }

  /** Takes account of a volume that came or went. */
  #index(before: DeviceState | undefined, now: DeviceState | undefined): void {
    if (before === now) return
    if (before !== undefined) this.#forget(before)
    if (now === undefined) return
    this.#mirrors.set(now.mirror, now)
    this.dirty.touch(now)
  }

  #forget({ mirror }: DeviceState): void {
    this.#mirrors.delete(mirror)
    this.dirty.forget(mirror)
  }

  #applyResource(known: ResourceState | undefined, line: Events2Change): Outcome {
    if (line.verb === 'exists' || line.verb === 'create') {
      if (known === undefined && this.#resources.size >= MAX_RESOURCES) return 'too-many'
      const name = keptWord(line.resource)
      const resource = known ?? newResource(name)
      if (known === undefined) this.#resources.set(name, resource)
      if (applyIo(resource, line)) this.dirty.touchAll(resource)
      return 'applied'
    }
    if (known === undefined) return line.verb === 'destroy' ? 'destroy-unknown' : 'unannounced'
    if (line.verb === 'destroy') this.#remove(known)
    else if (line.verb === 'rename' && line.newName !== undefined) return this.#rename(known, keptWord(line.newName))
    else if (applyIo(known, line)) this.dirty.touchAll(known)
    return 'applied'
  }

  #remove(resource: ResourceState): void {
    for (const device of resource.devices.values()) this.#forget(device)
    this.#resources.delete(resource.name)
    this.losses.settle(resource.name)
    this.#overtaken.delete(resource)
  }

  #rename(resource: ResourceState, name: string): Outcome {
    if (this.#resources.has(name)) return 'contradiction'
    const isLost = this.losses.resources.has(resource.name)
    this.#remove(resource)
    resource.name = name
    this.#resources.set(name, resource)
    if (isLost) this.losses.lose(name)
    for (const device of resource.devices.values()) {
      device.mirror = mirrorName(resource, device.volume)
      this.#mirrors.set(device.mirror, device)
    }
    this.dirty.touchAll(resource)
    return 'applied'
  }

  #settle(line: Events2Change, outcome: Outcome): void {
    if (outcome === 'applied') return
    const { verb, object, resource, peerNodeId = '', volume = '' } = line
    this.problems.add(resource, outcome, 'Cannot be applied', `${verb} ${object} ${resource} ${peerNodeId} ${volume}`)
    if (outcome === 'destroy-unknown') return
    if (outcome === 'unannounced' && this.#dumping) this.#keepOvertaking(line)
    else if (outcome === 'too-many') this.#loseAll()
    else {
      this.#lose(resource)
      if (line.newName !== undefined) this.#lose(line.newName)
    }
  }

  /** Keeps a line that may have come before what the dump has to tell of its object. */
  #keepOvertaking(line: Events2Change): void {
    if (this.#overtaking.length < MAX_OVERTAKING) this.#overtaking.push(line)
    else this.#loseAll()
  }

  /** Applies a line; an `exists` of what was told already is older than that. */
  #announcing(resource: ResourceState, line: Events2Change, apply: () => Outcome): Outcome {
    const before = line.verb === 'exists' ? toldBefore(resource, line) : null
    const outcome = apply()
    if (before !== null && doubtOlder(resource, line, before) === 'differs') this.#overtaken.add(resource)
    return outcome
  }
}
