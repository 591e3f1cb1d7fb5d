/** The backends that mirror block devices: the keys of an SR's patterns, and the values of `backend` in answers and metrics. */
export const BACKEND_NAMES = ['drbd', 'md'] as const

export type BackendName = (typeof BACKEND_NAMES)[number]

/** How sentences name a backend. */
export const BACKEND_TITLES: Readonly<Record<BackendName, string>> = { drbd: 'DRBD', md: 'md' }

/** One value for each backend. */
export function forEachBackend<Value>(make: (backend: BackendName) => Value): Record<BackendName, Value> {
  return { drbd: make('drbd'), md: make('md') }
}
