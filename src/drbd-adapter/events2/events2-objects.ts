import { detachedWord } from '../drbd-words.ts'
import type { Events2Change } from './events2-line.ts'
import { type DeviceState, mirrorName, newResource, type ResourceState } from './events2-tree.ts'

/** Far above what one host can hold. A stream with more objects is broken, and its state unknown. */
const MAX_RESOURCES = 65_536
const MAX_MIRRORS = 65_536

/** The resources and volumes of the current dump, by name. While a dump is read it also has the volumes of the previous one. */
export class Events2Objects {
  readonly changed = new ChangedMirrors()
  readonly #resources = new Map<string, ResourceState>()
  readonly #mirrors = new Map<string, DeviceState>()
  readonly #previous = new Map<string, DeviceState>()

  /** Number of volumes of the current dump. */
  get size(): number {
    return this.#mirrors.size
  }

  get hasRoomForVolume(): boolean {
    return this.#mirrors.size < MAX_MIRRORS
  }

  get hasRoomForResource(): boolean {
    return this.#resources.size < MAX_RESOURCES
  }

  resource(name: string): ResourceState | undefined {
    return this.#resources.get(name)
  }

  /** A volume of the current dump. */
  device(mirror: string): DeviceState | undefined {
    return this.#mirrors.get(mirror)
  }

  /** The volumes of the current dump. */
  devices(): IteratorObject<DeviceState> {
    return this.#mirrors.values()
  }

  /** A volume of the current dump, or else of the previous one. */
  latest(mirror: string): DeviceState | undefined {
    return this.#mirrors.get(mirror) ?? this.#previous.get(mirror)
  }

  /** The volumes of the current dump and those that only the previous one has. */
  allLatest(): DeviceState[] {
    const unread = this.#previous.values().filter(({ mirror }) => !this.#mirrors.has(mirror))
    return [...this.#mirrors.values(), ...unread]
  }

  /** Pairs of volumes with one minor. The kernel gives each minor to one volume, and which of the two is right is unknown. */
  *withSharedMinor(): Generator<readonly [DeviceState, DeviceState]> {
    const byMinor = new Map<string, DeviceState>()
    for (const device of this.#mirrors.values()) {
      if (device.minor === null) continue
      const other = byMinor.get(device.minor)
      byMinor.set(device.minor, device)
      if (other !== undefined) yield [other, device]
    }
  }

  beginDump(): void {
    for (const [mirror, device] of this.#mirrors) this.#previous.set(mirror, device)
    this.markAllChanged()
    this.#mirrors.clear()
    this.#resources.clear()
  }

  endDump(): void {
    this.markAllChanged()
    this.#previous.clear()
  }

  markAllChanged(): void {
    for (const device of this.#previous.values()) this.changed.add(device)
    for (const device of this.#mirrors.values()) this.changed.add(device)
  }

  addResource(name: string): ResourceState {
    const resource = newResource(detachedWord(name))
    this.#resources.set(resource.name, resource)
    return resource
  }

  removeResource(resource: ResourceState): void {
    for (const device of resource.devices.values()) this.#remove(device)
    this.#resources.delete(resource.name)
  }

  /** Adds a resource under its new name, with its volumes. */
  renameResource(resource: ResourceState, name: string): void {
    this.removeResource(resource)
    resource.name = detachedWord(name)
    this.#resources.set(resource.name, resource)
    for (const device of resource.devices.values()) {
      device.mirror = mirrorName(resource, device.volume)
      this.#mirrors.set(device.mirror, device)
    }
    this.changed.addAll(resource)
  }

  /** Updates the index for a volume that was added, replaced or removed. */
  replaceDevice(before: DeviceState | undefined, now: DeviceState | undefined): void {
    if (before === now) return
    if (before !== undefined) this.#remove(before)
    if (now === undefined) return
    this.#mirrors.set(now.mirror, now)
    this.changed.add(now)
  }

  #remove({ mirror }: DeviceState): void {
    this.#mirrors.delete(mirror)
    this.changed.remove(mirror)
  }
}

/** The mirrors that changed or disappeared since the last `take`. */
export class ChangedMirrors {
  #devices: DeviceState[] = []
  #removed: string[] = []

  add(device: DeviceState): void {
    if (device.isChanged) return
    device.isChanged = true
    this.#devices.push(device)
  }

  addAll(resource: ResourceState): void {
    for (const device of resource.devices.values()) this.add(device)
  }

  /** No volume has this name any more. */
  remove(mirror: string): void {
    this.#removed.push(mirror)
  }

  take(): ReadonlySet<string> {
    const mirrors = new Set(this.#removed)
    for (const device of this.#devices) {
      device.isChanged = false
      mirrors.add(device.mirror)
    }
    this.#devices = []
    this.#removed = []
    return mirrors
  }
}

/**
 * The resources whose state words changed while a cross-check runs. Statistics are ignored: they change all the time and decide
 * nothing.
 */
export class WordChanges {
  #resources: Set<string> | null = null

  /** Starts collecting. The returned set grows until `end`. */
  begin(): ReadonlySet<string> {
    this.#resources = new Set()
    return this.#resources
  }

  end(): void {
    this.#resources = null
  }

  add(line: Events2Change): void {
    if (this.#resources === null) return
    if (line.verb === 'change' && !line.hasStateWord() && line.oddKeys === undefined) return
    this.#resources.add(line.resource)
    if (line.newName !== undefined) this.#resources.add(line.newName)
  }
}
