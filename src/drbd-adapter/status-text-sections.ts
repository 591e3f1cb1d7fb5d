import type { Problem } from '../sync-query/judgement.ts'
import { problem } from './problem.ts'

export interface KeyWord {
  readonly key: string
  readonly word: string
}

export interface ResourceSection {
  readonly name: string
  readonly words: KeyWord[]
  readonly peers: { readonly name: string; readonly words: KeyWord[] }[]
  /** A line of it was no line of this format. */
  isGarbled: boolean
  /** The text ends before the blank line that closes every resource. */
  isCut: boolean
}

export interface StatusSections {
  readonly resources: readonly ResourceSection[]
  readonly problems: readonly Problem[]
}

/**
 * Cuts the text of `drbdsetup status` or `drbdadm status` into resources and peers. drbdsetup wraps lines at the width
 * of the terminal, and people paste them without their indentation; what holds is that a resource or a peer begins
 * with a bare name, that all else is `key:word`, and that a blank line closes a resource (resource_status in drbdsetup.c).
 */
export function statusSections(text: string): StatusSections {
  const resources: ResourceSection[] = []
  const problems: Problem[] = []
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  let resource: ResourceSection | null = null
  let indent = { resource: 0, isPeerDeeper: false }
  for (const line of lines) {
    const tokens = line.split(/\s+/).filter(token => token !== '')
    const [first] = tokens
    if (first === undefined) {
      resource = null
      continue
    }
    const notice = noticeOf(line)
    if (notice !== null) {
      problems.push(notice)
      continue
    }
    const depth = line.length - line.trimStart().length
    const isNamed = !first.includes(':')
    const words = keyWords(isNamed ? tokens.slice(1) : tokens)
    const isNext: boolean = resource === null || (indent.isPeerDeeper && depth <= indent.resource)
    if (words === null || (isNext && !(isNamed && words.some(({ key }) => key === 'role')))) {
      problems.push(problem(resource?.name ?? null, 'bad-line', 'Not a line of status', line.trim()))
      if (resource !== null) resource.isGarbled = true
      if (isNext) resource = null
    } else if (isNext) {
      resource = { name: first, words, peers: [], isGarbled: false, isCut: false }
      resources.push(resource)
      indent = { resource: depth, isPeerDeeper: false }
    } else if (resource !== null) {
      indent.isPeerDeeper ||= depth > indent.resource
      const peer = resource.peers.at(-1)
      if (isNamed) resource.peers.push({ name: first, words })
      else (peer?.words ?? resource.words).push(...words)
    }
  }
  // The tools never begin a resource with a blank. Text that does, all at one depth, was pasted by somebody, and lost the
  // closing blank line along with its indentation (LINBIT/drbd#30): there the last newline closes it.
  const isPasted = indent.resource > 0 && !indent.isPeerDeeper && rest === ''
  if (resource !== null) resource.isCut = !isPasted
  if (rest.trim() !== '') problems.push(problem(resource?.name ?? null, 'line-cut', 'The text ends in a line', rest))
  return { resources, problems }
}

/** What the tools say in place of a state or after it. */
function noticeOf(line: string): Problem | null {
  if (line.startsWith('#')) return problem(null, 'nothing-configured', 'Said', line)
  const [, name] = /^(\S+): No such resource\s*$/.exec(line) ?? []
  // `drbdadm status` of 8.4 for a resource that is configured and not up.
  if (name !== undefined) return problem(name, 'not-up', 'Said', line)
  return line.startsWith("Command '") ? problem(null, 'command-failed', 'Said', line) : null
}

function keyWords(tokens: readonly string[]): KeyWord[] | null {
  const words: KeyWord[] = []
  for (const token of tokens) {
    const colon = token.indexOf(':')
    if (colon <= 0) return null
    words.push({ key: token.slice(0, colon), word: token.slice(colon + 1) })
  }
  return words
}
