import type { DrbdDoubt, DrbdVolume, PassedThrough } from '../../sync-query/judge/drbd.ts'
import {
  type ApplyResult,
  applyConnection,
  applyDevice,
  applyHelper,
  applyIo,
  applyPath,
  applyPeerDevice,
} from './events2-apply.ts'
import type { Events2Change, Events2Line } from './events2-line.ts'
import { Events2Losses } from './events2-losses.ts'
import { type ChangedMirrors, Events2Objects, WordChanges } from './events2-objects.ts'
import { doubtDifferences, doubtOvertaken, isOvertaken, wordsBefore } from './events2-overtaken.ts'
import { Events2Problems } from './events2-problems.ts'
import { type DeviceState, type PeerDeviceState, type ResourceState, volumeOf } from './events2-tree.ts'

/** Maximum number of lines that can overtake a dump; a dump takes moments. */
const MAX_OVERTAKING = 1024

const NO_DOUBTS: readonly DrbdDoubt[] = []

const NOTHING_PASSED = () => null
const TAKE_PASSED = ({ activity, outOfSyncBytes }: PeerDeviceState) => activity.take(outOfSyncBytes)

/**
 * Merges a stream of events2 lines into the state of every volume: `apply` each line, then `takeChanged`.
 *
 * A `change` line has only what changed, so one lost line could hide the start of a resync for ever. Therefore:
 * - every mirror is doubted until `exists -` ends the dump; an `exists` line after that starts a new dump;
 * - a line that cannot be applied doubts the mirrors of its resource, or every mirror if it names no known resource, until the next
 *   complete dump;
 * - a missing word stays `null`, which the judge never treats as good.
 *
 * With `isReread` the caller reads everything again as soon as lines are lost. Then a line that names no known resource doubts nothing by
 * itself, because the reread decides. Within a dump it does, because the reread may lack the same line.
 *
 * The cost of a change is at most proportional to the volumes of its resource. Memory is bounded.
 */
export class Events2State {
  readonly problems = new Events2Problems()
  readonly losses = new Events2Losses()
  readonly wordChanges = new WordChanges()
  readonly #objects = new Events2Objects()
  /** Lines that came before the current dump announced their objects, or that contradict it. */
  #overtaking: Events2Change[] = []
  /** Resources for which an event had another state than the dump. */
  readonly #overtaken = new Set<ResourceState>()
  readonly #isReread: boolean
  #isDumping = true
  #family: DrbdVolume['family'] = null

  constructor({ isReread = false }: { readonly isReread?: boolean } = {}) {
    this.#isReread = isReread
  }

  /** True once a complete dump was read and no missing line could belong to any mirror. */
  get complete(): boolean {
    return !this.#isDumping && !this.losses.all
  }

  /** A line was lost, and the objects that it may belong to are doubted. */
  get hasLost(): boolean {
    return this.losses.any
  }

  /** A change that overtook its dump put words in doubt. A later line can end that doubt, another complete dump certainly does. */
  get hasOvertaken(): boolean {
    return this.#overtaken.values().some(isOvertaken)
  }

  get changed(): ChangedMirrors {
    return this.#objects.changed
  }

  /** A reread confirmed the state of a resource that had lost lines. */
  restore(name: string): void {
    this.losses.settle(name)
    const resource = this.#objects.resource(name)
    if (resource !== undefined) this.changed.addAll(resource)
  }

  /** A recording ends, and nothing is read again: skipped lines and lines out of order are lost. */
  endRecording(): void {
    const { hasLost, disordered } = this.losses.order
    for (const name of disordered) this.#lose(name)
    if (hasLost) this.#loseAll()
    for (const [first, second] of this.#objects.withSharedMinor()) {
      this.problems.add(second.mirror, 'contradiction', `The minor belongs to ${first.mirror}`, second.minor ?? '')
      this.#lose(second.resource.name)
      this.#lose(first.resource.name)
    }
  }

  /** Returns the mirrors that may have changed, appeared or disappeared since the last call. */
  takeChanged(): ReadonlySet<string> {
    return this.changed.take()
  }

  /** The current volume. `null`: the kernel has no such volume (any more). */
  volume(mirror: string): DrbdVolume | null {
    return this.#volume(mirror, NOTHING_PASSED)
  }

  /** As `volume`, with what its peer-devices passed through since the last `takeVolume`. */
  takeVolume(mirror: string): DrbdVolume | null {
    return this.#volume(mirror, TAKE_PASSED)
  }

  #volume(mirror: string, passedOf: (seen: PeerDeviceState) => PassedThrough | null): DrbdVolume | null {
    const device = this.#objects.latest(mirror)
    return device === undefined ? null : volumeOf(device, this.#family, this.#doubts(device), passedOf)
  }

  /** Every volume of the current dump and the events since. */
  devices(): IteratorObject<DeviceState> {
    return this.#objects.devices()
  }

  /** The number of `devices`. */
  get size(): number {
    return this.#objects.size
  }

  device(mirror: string): DeviceState | undefined {
    return this.#objects.device(mirror)
  }

  volumes(): DrbdVolume[] {
    const devices = this.#objects.allLatest()
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
        if (this.#isReread) this.losses.requestReread()
        else this.losses.order.skip(line.count)
        return
      case 'garbled':
        this.problems.add(line.resource, line.why, 'Cannot be applied', line.text)
        this.#loseGarbled(line.resource)
    }
  }

  #doubts({ resource }: DeviceState): readonly DrbdDoubt[] {
    if (!this.#isDumping && !this.hasLost) return NO_DOUBTS
    const doubts: DrbdDoubt[] = []
    if (this.#isDumping) doubts.push({ code: 'dump-incomplete' })
    if (this.losses.has(resource.name)) doubts.push({ code: 'events-lost' })
    return doubts
  }

  #beginDump(): void {
    this.#objects.beginDump()
    this.losses.clear()
    this.#overtaking = []
    this.#overtaken.clear()
    this.#isDumping = true
    this.#family = null
  }

  #endDump(): void {
    // A second `exists -` in a row is an empty dump: the module was loaded again (`--poll`).
    if (!this.#isDumping) this.#beginDump()
    this.#isDumping = false
    for (const line of this.#overtaking) this.#doubtOvertaking(line)
    this.#overtaking = []
    // If all lines of a volume were lost, nothing else shows that it exists.
    for (const name of this.losses.resources) if (this.#objects.resource(name)?.devices.size === 0) this.#loseAll()
    this.#objects.endDump()
  }

  #doubtOvertaking(line: Events2Change): void {
    const resource = this.#objects.resource(line.resource)
    if (resource === undefined) {
      const isRenamed = line.newName !== undefined && this.#objects.resource(line.newName) !== undefined
      if (line.verb !== 'destroy' && !isRenamed) this.#loseAll()
      return
    }
    const outcome = doubtOvertaken(resource, line)
    if (outcome === 'unannounced' || outcome === 'gone') this.#lose(resource.name)
    if (outcome === 'differs') this.#overtaken.add(resource)
  }

  /** A line of this resource was lost; of any resource if the name is `null` or unknown. */
  #lose(name: string | null): void {
    const resource = name === null ? undefined : this.#objects.resource(name)
    if (resource !== undefined) {
      if (this.losses.add(resource.name)) this.changed.addAll(resource)
    } else if (this.#isReread && !this.#isDumping) this.losses.requestReread()
    else this.#loseAll()
  }

  #loseAll(): void {
    if (this.losses.addAll()) this.#objects.markAllChanged()
  }

  /** As `#lose`. Within a dump the lost line may be the one that announces the resource. */
  #loseGarbled(name: string | null): void {
    const objects = this.#objects
    if (name !== null && this.#isDumping && objects.hasRoomForResource && objects.resource(name) === undefined) {
      objects.addResource(name)
    }
    this.#lose(name)
  }

  #applyChange(line: Events2Change): void {
    if (line.verb === 'exists' && !this.#isDumping) this.#beginDump()
    // Some keys exist only in DRBD 9. 8.4 names every peer like this and has none of those keys.
    if (line.isDrbd9) this.#family = '9'
    else if (this.#family === null && line.connName === 'peer' && line.peerNodeId === '0') this.#family = '8.4'
    const doubts = this.problems.addOdd(line)
    if (this.losses.order.hasGap) this.losses.order.note(line)
    this.wordChanges.add(line)
    const resource = this.#objects.resource(line.resource)
    if (this.#isDumping && line.verb === 'destroy') this.#keepOvertaking(line)
    if (line.object === 'unknown') {
      if (doubts.length > 0 || line.hasState()) this.#lose(line.resource)
    } else if (line.object === 'resource') this.#handleResult(line, this.#applyResource(resource, line))
    else if (line.object === 'helper') {
      if (resource === undefined) return
      applyHelper(resource, line)
      this.changed.addAll(resource)
    } else if (resource === undefined) {
      this.#handleResult(line, line.verb === 'destroy' ? 'destroy-unknown' : 'unannounced')
    } else this.#handleResult(line, this.#applyTo(resource, line, doubts))
  }

  /** Applies a line about a connection, path, device or peer-device of a known resource. */
  #applyTo(resource: ResourceState, line: Events2Change, doubts: readonly DrbdDoubt[]): ApplyResult {
    const { object, volume } = line
    if (volume === undefined || object === 'connection' || object === 'path') {
      const apply = () => (object === 'path' ? applyPath(resource, line) : applyConnection(resource, line, doubts))
      const result = this.#applyAnnouncement(resource, line, apply)
      this.changed.addAll(resource)
      return result
    }
    const device = resource.devices.get(volume)
    const { peers, splitBrain } = resource
    if (device === undefined && !this.#objects.hasRoomForVolume) return 'too-many'
    const apply = object === 'device' ? applyDevice : applyPeerDevice
    const result = this.#applyAnnouncement(resource, line, () => apply(resource, device, line, doubts))
    if (line.verb !== 'change') this.#objects.replaceDevice(device, resource.devices.get(volume))
    if (peers !== resource.peers || splitBrain !== resource.splitBrain) this.changed.addAll(resource)
    else if (device !== undefined) this.changed.add(device)
    return result
  }

  #applyResource(known: ResourceState | undefined, line: Events2Change): ApplyResult {
    if (line.verb === 'exists' || line.verb === 'create') {
      if (known === undefined && !this.#objects.hasRoomForResource) return 'too-many'
      const resource = known ?? this.#objects.addResource(line.resource)
      if (applyIo(resource, line)) this.changed.addAll(resource)
      return 'applied'
    }
    if (known === undefined) return line.verb === 'destroy' ? 'destroy-unknown' : 'unannounced'
    if (line.verb === 'destroy') this.#remove(known)
    else if (line.verb === 'rename' && line.newName !== undefined) return this.#rename(known, line.newName)
    else if (applyIo(known, line)) this.changed.addAll(known)
    return 'applied'
  }

  #remove(resource: ResourceState): void {
    this.#objects.removeResource(resource)
    this.losses.settle(resource.name)
    this.#overtaken.delete(resource)
  }

  #rename(resource: ResourceState, name: string): ApplyResult {
    if (this.#objects.resource(name) !== undefined) return 'contradiction'
    const isLost = this.losses.resources.has(resource.name)
    this.losses.settle(resource.name)
    this.#overtaken.delete(resource)
    this.#objects.renameResource(resource, name)
    if (isLost) this.losses.add(resource.name)
    return 'applied'
  }

  #handleResult(line: Events2Change, result: ApplyResult): void {
    if (result === 'applied') return
    const { verb, object, resource, peerNodeId = '', volume = '' } = line
    this.problems.add(resource, result, 'Cannot be applied', `${verb} ${object} ${resource} ${peerNodeId} ${volume}`)
    if (result === 'destroy-unknown') return
    if (result === 'unannounced' && this.#isDumping) this.#keepOvertaking(line)
    else if (result === 'too-many') this.#loseAll()
    else {
      this.#lose(resource)
      if (line.newName !== undefined) this.#lose(line.newName)
    }
  }

  /** Keeps a line that may be newer than the dump of its object. */
  #keepOvertaking(line: Events2Change): void {
    if (this.#overtaking.length < MAX_OVERTAKING) this.#overtaking.push(line)
    else this.#loseAll()
  }

  /** Applies a line. An `exists` line of an object that earlier lines announced is older than those lines. */
  #applyAnnouncement(resource: ResourceState, line: Events2Change, apply: () => ApplyResult): ApplyResult {
    const before = line.verb === 'exists' ? wordsBefore(resource, line) : null
    const result = apply()
    if (before !== null && doubtDifferences(resource, line, before) === 'differs') this.#overtaken.add(resource)
    return result
  }
}
