import { messageOf } from '../platform/errors.ts'

/** Some keys of a configuration, and how a change of them is applied. */
export interface ConfigStep<Config> {
  readonly keys: readonly (keyof Config & string)[]
  /** @throws Error when the change cannot be applied; then the previous configuration stays in effect */
  readonly apply: (config: Config) => Promise<void> | void
}

/**
 * Applies the steps whose keys have changed, one after the other.
 *
 * @returns the configuration in effect: without the steps that failed, so the next call tries them again; and why they failed
 */
export async function applyConfig<Config extends object>(
  before: Config,
  wanted: Config,
  steps: readonly ConfigStep<Config>[],
): Promise<{ readonly config: Config; readonly problems: readonly string[] }> {
  let config = before
  const problems: string[] = []
  for (const { keys, apply } of steps) {
    if (keys.every(key => JSON.stringify(config[key]) === JSON.stringify(wanted[key]))) continue
    const next = { ...config, ...Object.fromEntries(keys.map(key => [key, wanted[key]])) }
    try {
      await apply(next)
      config = next
    } catch (error) {
      problems.push(`${keys.join(', ')}: ${messageOf(error)}`)
    }
  }
  return { config, problems }
}
