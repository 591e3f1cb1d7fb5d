/** Types of the part of the client of Xen Orchestra that the tests use. The package has no types. */
declare module 'xen-api' {
  import type { EventEmitter } from 'node:events'

  interface XapiRecord {
    readonly $ref: string
    readonly $type: string
    readonly uuid: string
    readonly [field: string]: unknown
  }

  interface Xapi extends EventEmitter {
    readonly status: 'connected' | 'connecting' | 'disconnected'
    readonly pool: XapiRecord
    readonly objects: EventEmitter & { readonly all: Readonly<Record<string, XapiRecord>> }
    readonly objectsFetched: Promise<void>
    connect(): Promise<void>
    disconnect(): Promise<void>
    call(method: string, ...params: readonly unknown[]): Promise<unknown>
    callAsync(method: string, ...params: readonly unknown[]): Promise<unknown>
    getObjectByRef(ref: string, otherwise?: undefined): XapiRecord | undefined
    setFieldEntry(type: string, ref: string, field: string, entry: string, value: string | null): Promise<void>
    barrier(ref: string): Promise<XapiRecord>
  }

  export function createClient(options: {
    readonly url: string
    readonly allowUnauthorized?: boolean
    readonly watchEvents?: boolean | readonly string[]
    /** Milliseconds between event.from calls. */
    readonly debounce?: number
    /** Milliseconds from a failed event.from call to the next one. */
    readonly eventPollDelay?: number
  }): Xapi
}
