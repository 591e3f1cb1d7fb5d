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
  /** It contains a line that is not of this format. */
  isGarbled: boolean
  /** The text ends before the blank line that ends every resource. */
  isCut: boolean
}

export interface StatusSections {
  readonly resources: readonly ResourceSection[]
  /** False: a line belongs to none of these resources, so there may be others. */
  readonly isWhole: boolean
}

/**
 * Splits the text of `drbdsetup status` or `drbdadm status` into resources and peers. drbdsetup wraps lines at the width of the terminal,
 * and pasted text can lack indentation. Three rules always hold: a resource or a peer begins with a bare name, everything else is
 * `key:word`, and a blank line ends a resource (resource_status in drbdsetup.c).
 */
export function statusSections(text: string, problems: ProblemList): StatusSections {
  const resources: ResourceSection[] = []
  let isWhole = true
  const lines = text.split('\n')
  const rest = lines.pop() ?? ''
  let resource: ResourceSection | null = null
  /** The resource before a blank line. */
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
      // A deeper line belongs to the resource before it. Otherwise a peer would look like a resource.
      problems.add(closed.name, 'bad-line', place, 'A blank line within a resource', line.trim())
      closed.isGarbled = true
      resource = closed
    }
    const isNamed = !first.includes(':')
    const words = keyWords(isNamed ? tokens.slice(1) : tokens, number)
    const isNext: boolean = resource === null || (indent.isPeerDeeper && depth <= indent.resource)
    if (words === null || (isNext && !(isNamed && words.some(({ key }) => key === 'role')))) {
      // After a blank line, a line of `key:word` may belong to the resource before it and have lost its indentation. A line of another
      // format is no part of any resource.
      const affected: ResourceSection | null = resource ?? (words === null ? null : closed)
      problems.add(affected?.name ?? null, 'bad-line', place, 'Not a line of status', line.trim())
      if (affected !== null) affected.isGarbled = true
      if (resource === null) isWhole = false
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
  // The tools never indent a resource. Text with all lines at one depth was pasted and lost its final blank line together with its
  // indentation (LINBIT/drbd#30): there the last newline ends the resource.
  const isPasted = indent.resource > 0 && !indent.isPeerDeeper && rest === ''
  if (resource !== null) resource.isCut = !isPasted
  if (rest.trim() !== '')
    problems.add(resource?.name ?? null, 'line-cut', `line ${lines.length + 1}`, 'The text ends in a line', rest)
  // A truncated line outside a resource may be the beginning of one.
  return { resources, isWhole: isWhole && (resource !== null || rest.trim() === '') }
}

/** Adds a problem for a message that the tools print in place of a state or after it. */
function addNotice(problems: ProblemList, place: string, line: string): boolean {
  const [, name = null] = /^(\S+): No such resource\s*$/.exec(line) ?? []
  if (line.startsWith('#')) problems.add(null, 'nothing-configured', place, 'The tool printed', line)
  // `drbdadm status` of 8.4 prints this for a resource that is configured and not up.
  else if (name !== null) problems.add(name, 'not-up', place, 'The tool printed', line)
  else if (line.startsWith("Command '")) problems.add(null, 'command-failed', place, 'The tool printed', line)
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
