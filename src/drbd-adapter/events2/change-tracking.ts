import type { Events2Change } from './events2-line.ts'
import type { DeviceState, ResourceState } from './events2-tree.ts'

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
