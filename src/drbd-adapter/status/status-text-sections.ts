import type { ProblemList } from '../problem-list.ts'

export interface KeyWord {
  readonly key: string
  readonly word: string
  /** Counted from 1. */
  readonly line: number
}

interface PeerSection {
  readonly name: string
  readonly line: number
  readonly words: KeyWord[]
}

export interface ResourceSection {
  readonly name: string
  readonly line: number
  readonly words: KeyWord[]
  readonly peers: PeerSection[]
  /** A line of it was no line of this format. */
  isGarbled: boolean
  /** The text ends before the blank line that closes every resource. */
  isCut: boolean
}

export interface StatusSections {
  readonly resources: readonly ResourceSection[]
  /** False: some line belongs to no resource, and may be of one that is not among these. */
  readonly isWhole: boolean
}

/**
 * Cuts the text of `drbdsetup status` or `drbdadm status` into resources and peers. drbdsetup wraps lines at the width
 * of the terminal, and people paste them without their indentation; what holds is that a resource or a peer begins
 * with a bare name, that all else is `key:word`, and that a blank line closes a resource (resource_status in drbdsetup.c).
 */
export function statusSections(text: string, problems: ProblemList): StatusSections {
  const resources: ResourceSection[] = []
  let isWhole = true
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  let resource: ResourceSection | null = null
  /** The resource above a blank line. */
  let closed = null as ResourceSection | null
  let indent = { resource: 0, isPeerDeeper: false }
  for (const [index, line] of lines.entries()) {
    const number = index + 1
    const place = `line ${number}`
    const tokens = line.split(/\s+/).filter(token => token !== '')
    const [first] = tokens
    if (first === undefined) {
      closed = resource ?? closed
      resource = null
      continue
    }
    if (addNotice(problems, place, line)) continue
    const depth = line.length - line.trimStart().length
    if (resource === null && closed !== null && depth > indent.resource) {
      // What is deeper than the resource above belongs to it: as one of its own, a peer would pass for a resource.
      problems.add(closed.name, 'bad-line', place, 'A blank line within a resource', line.trim())
      closed.isGarbled = true
      resource = closed
    }
    const isNamed = !first.includes(':')
    const words = keyWords(isNamed ? tokens.slice(1) : tokens, number)
    const isNext: boolean = resource === null || (indent.isPeerDeeper && depth <= indent.resource)
    if (words === null || (isNext && !(isNamed && words.some(({ key }) => key === 'role')))) {
      problems.add(resource?.name ?? null, 'bad-line', place, 'Not a line of status', line.trim())
      if (resource !== null) resource.isGarbled = true
      else isWhole = false
      if (isNext) {
        resource = null
        closed = null
      }
    } else if (isNext) {
      resource = { name: first, line: number, words, peers: [], isGarbled: false, isCut: false }
      resources.push(resource)
      indent = { resource: depth, isPeerDeeper: false }
    } else if (resource !== null) {
      indent.isPeerDeeper ||= depth > indent.resource
      const peer = resource.peers.at(-1)
      if (isNamed) resource.peers.push({ name: first, line: number, words })
      else for (const each of words) (peer ?? resource).words.push(each)
    }
  }
  // The tools never begin a resource with a blank. Text that does, all at one depth, was pasted by somebody, and lost the
  // closing blank line along with its indentation (LINBIT/drbd#30): there the last newline closes it.
  const isPasted = indent.resource > 0 && !indent.isPeerDeeper && rest === ''
  if (resource !== null) resource.isCut = !isPasted
  if (rest.trim() !== '')
    problems.add(resource?.name ?? null, 'line-cut', `line ${lines.length + 1}`, 'The text ends in a line', rest)
  // Half a line of no resource may be the beginning of one.
  return { resources, isWhole: isWhole && (resource !== null || rest.trim() === '') }
}

/** Adds what the tools say in place of a state or after it. */
function addNotice(problems: ProblemList, place: string, line: string): boolean {
  const [, name = null] = /^(\S+): No such resource\s*$/.exec(line) ?? []
  if (line.startsWith('#')) problems.add(null, 'nothing-configured', place, 'Said', line)
  // `drbdadm status` of 8.4 for a resource that is configured and not up.
  else if (name !== null) problems.add(name, 'not-up', place, 'Said', line)
  else if (line.startsWith("Command '")) problems.add(null, 'command-failed', place, 'Said', line)
  else return false
  return true
}

function keyWords(tokens: readonly string[], line: number): KeyWord[] | null {
  const words: KeyWord[] = []
  for (const token of tokens) {
    const colon = token.indexOf(':')
    if (colon <= 0) return null
    words.push({ key: token.slice(0, colon), word: token.slice(colon + 1), line })
  }
  return words
}
