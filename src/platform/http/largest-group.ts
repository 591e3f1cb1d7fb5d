/** The group that has most, and of equal ones the first; none of no groups. Whoever has most makes room. */
export function largestGroup<T>(groups: ReadonlyMap<string, readonly T[]>): readonly T[] {
  return [...groups.values()].reduce<readonly T[]>((most, each) => (each.length > most.length ? each : most), [])
}
