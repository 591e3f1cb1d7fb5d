import type { DeviceState, ResourceState } from './events2-tree.ts'

/** Mirrors of which something was said, or that are gone, since they were last taken. */
export class DirtyMirrors {
  #devices: DeviceState[] = []
  #gone: string[] = []

  touch(device: DeviceState): void {
    if (device.isDirty) return
    device.isDirty = true
    this.#devices.push(device)
  }

  touchAll(resource: ResourceState): void {
    for (const device of resource.devices.values()) this.touch(device)
  }

  /** There is nothing under this name any more. */
  forget(mirror: string): void {
    this.#gone.push(mirror)
  }

  take(): ReadonlySet<string> {
    const mirrors = new Set(this.#gone)
    for (const device of this.#devices) {
      device.isDirty = false
      mirrors.add(device.mirror)
    }
    this.#devices = []
    this.#gone = []
    return mirrors
  }
}
