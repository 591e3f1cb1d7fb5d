import type { Problem } from '../sync-query/judgement.ts'

export interface ParsedConfig {
  /** The volumes that should be there, as `resource/volume`. */
  readonly mirrors: readonly string[]
  readonly problems: readonly Problem[]
  /** What its `include` lines name: paths, the last part possibly with `*` and `?`. */
  readonly includes: readonly string[]
  /** False: the text ends inside a section, so it names less than it will when it is written. */
  readonly isWhole: boolean
}

/** A resource while it is being read. */
interface ResourceDraft {
  readonly name: string
  /** How many sections are around it. */
  readonly depth: number
  readonly volumes: Set<string>
  /** Its sections for hosts name hosts, and this one is not (yet) among them. */
  isElsewhere: boolean
  isHere: boolean
}

/** What stands for this host in what drbdadm itself writes (`drbdsetup show`). */
const THIS_HOST = '_this_host'

/**
 * Reads `resource NAME { … volume N { … } … }` out of DRBD configuration text (drbd.conf(5)). Volumes may stand in the
 * resource or in its `on HOST` sections; a resource that names none has the implicit volume 0. One whose `on` sections are
 * all for other hosts is none of this host's, for files are copied to all hosts alike; nor is anything within `skip … { }`.
 * Everything else is passed over:
 * this answers only "what should be up?", so that a resource which is not cannot go unseen after a boot. A resource in which
 * the text ends counts as far as it was read.
 *
 * @param host what `uname -n` says; `null`: not known, so every resource may be this host's
 */
export function parseDrbdConfig(text: string, file: string, host: string | null = null): ParsedConfig {
  const mirrors = new Set<string>()
  const includes: string[] = []
  /** The open sections, outermost first; `false`: what stands in it is for another host, or is skipped. */
  const sections: boolean[] = []
  /** How many sections are around the `skip` that is open; `null`: none is. */
  let skippedAt: number | null = null
  let words: string[] = []
  let resource: ResourceDraft | null = null
  for (const token of tokens(text)) {
    if (token === ';') {
      const [keyword, path] = words
      if (keyword === 'include' && path !== undefined && sections.length === 0) includes.push(path)
      words = []
    } else if (token === '{' && (skippedAt !== null || words[0] === 'skip')) {
      skippedAt ??= sections.length
      sections.push(false)
      words = []
    } else if (token === '{') {
      const [keyword = '', name, ...more] = words
      if (keyword === 'resource' && name !== undefined && resource === null) {
        resource = { name, depth: sections.length, volumes: new Set(), isElsewhere: false, isHere: false }
      }
      let isForHere = sections.at(-1) ?? true
      if (resource !== null && keyword === 'on' && name !== undefined && host !== null) {
        isForHere = [name, ...more].some(each => each === host || each === THIS_HOST)
        if (isForHere) resource.isHere = true
        else resource.isElsewhere = true
      }
      // A section for an address may be this host's, and so may one for the hosts of a resource below: that cannot be told
      // from here.
      if (resource !== null && (keyword === 'floating' || keyword === 'stacked-on-top-of')) resource.isHere = true
      if (keyword === 'volume' && name !== undefined && isForHere) resource?.volumes.add(name)
      sections.push(isForHere)
      words = []
    } else if (token === '}') {
      sections.pop()
      words = []
      if (sections.length === skippedAt) skippedAt = null
      if (resource !== null && sections.length === resource.depth) {
        for (const mirror of mirrorsOf(resource)) mirrors.add(mirror)
        resource = null
      }
    } else words.push(token)
  }
  // A file that is being written: what it names so far is not all there is.
  const isWhole = resource === null && sections.length === 0 && words.length === 0
  // Its section for this host may stand in what is cut off.
  if (resource !== null) for (const mirror of mirrorsOf({ ...resource, isHere: true })) mirrors.add(mirror)
  const problem = { device: resource?.name ?? null, code: 'config-incomplete', text: `${file} ends inside a section` }
  return { mirrors: [...mirrors], includes, isWhole, problems: isWhole ? [] : [problem] }
}

function mirrorsOf({ name, volumes, isElsewhere, isHere }: ResourceDraft): string[] {
  if (isElsewhere && !isHere) return []
  return [...(volumes.size > 0 ? volumes : ['0'])].map(volume => `${name}/${volume}`)
}

function* tokens(text: string): Generator<string> {
  for (const [token] of text.matchAll(/#[^\n]*|"[^"\n]*"|[{};]|[^\s{};#"]+/g)) {
    if (token.startsWith('#')) continue
    yield token.startsWith('"') ? token.slice(1, -1) : token
  }
}
