import type { Problem } from '../sync-query/judgement.ts'

/** The volumes that a configuration says should be there, as `resource/volume`. */
export interface ConfiguredVolumes {
  readonly mirrors: readonly string[]
  readonly problems: readonly Problem[]
}

/**
 * Reads `resource NAME { … volume N { … } … }` out of DRBD configuration text (drbd.conf(5)). Volumes may stand in the
 * resource or in an `on HOST` section; a resource that names none has the implicit volume 0. Everything else is passed
 * over: this answers only "what should be up?", so that a resource which is not cannot go unseen after a boot.
 */
export function parseDrbdConfig(text: string, file: string): ConfiguredVolumes {
  const mirrors = new Set<string>()
  /** The names of the open sections, outermost first. */
  const sections: string[] = []
  let words: string[] = []
  let resource: { name: string; depth: number; volumes: Set<string> } | null = null
  for (const token of tokens(text)) {
    if (token === ';') words = []
    else if (token === '{') {
      const [keyword = '', name] = words
      if (keyword === 'resource' && name !== undefined && resource === null) {
        resource = { name, depth: sections.length, volumes: new Set() }
      }
      if (keyword === 'volume' && name !== undefined) resource?.volumes.add(name)
      sections.push(keyword)
      words = []
    } else if (token === '}') {
      sections.pop()
      words = []
      if (resource !== null && sections.length === resource.depth) {
        for (const volume of resource.volumes.size > 0 ? resource.volumes : ['0'])
          mirrors.add(`${resource.name}/${volume}`)
        resource = null
      }
    } else words.push(token)
  }
  const problems: Problem[] = []
  if (resource !== null || sections.length > 0) {
    // A file that is being written: what it names so far is not all there is.
    problems.push({ device: resource?.name ?? null, code: 'config-incomplete', text: `${file} ends inside a section` })
  }
  return { mirrors: [...mirrors], problems }
}

function* tokens(text: string): Generator<string> {
  for (const [token] of text.matchAll(/#[^\n]*|"[^"\n]*"|[{};]|[^\s{};#"]+/g)) {
    if (token.startsWith('#')) continue
    yield token.startsWith('"') ? token.slice(1, -1) : token
  }
}
