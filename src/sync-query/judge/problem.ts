/**
 * Every code of a `Problem`: what it means, and the backends whose running source reports it. `resync_monitor_parse_problems_total`
 * has a series from the start for each of these, because `increase()` misses the first increase of a new series.
 */
export const PROBLEM_CODES = {
  'bad-line': { meaning: 'The line is not of the expected format.', backends: ['drbd', 'md'] },
  'line-cut': { meaning: 'The text ends inside a line.', backends: ['drbd'] },
  'line-too-long': { meaning: 'The line exceeds the limit and is skipped.', backends: ['drbd'] },
  'unknown-word': { meaning: 'The value of a known key is unknown; its mirror is unknown.', backends: ['drbd', 'md'] },
  'unknown-key': { meaning: 'The key is unknown.', backends: ['drbd'] },
  'events-skipped': { meaning: 'drbdsetup reports events that are lost or out of order.', backends: ['drbd'] },
  unannounced: { meaning: 'An event changes an object that no earlier event created.', backends: ['drbd'] },
  'destroy-unknown': { meaning: 'An event destroys an object that does not exist.', backends: ['drbd'] },
  contradiction: { meaning: 'Two statements about one object exclude each other.', backends: ['drbd', 'md'] },
  'too-many': { meaning: 'There are more objects than the limit.', backends: ['drbd'] },
  'not-this-format': { meaning: 'The text is not of the expected format.', backends: ['md'] },
  'word-missing': { meaning: 'A required value or line is missing.', backends: ['md'] },
  'dump-incomplete': { meaning: 'The text ends before its last line.', backends: ['md'] },
  'read-hung': { meaning: 'A read of a kernel file does not return.', backends: ['md'] },
  'too-large': { meaning: 'A kernel file exceeds the limit.', backends: ['md'] },
  unreadable: { meaning: 'A kernel file cannot be read.', backends: ['md'] },
  'source-silent': { meaning: 'The kernel does not provide the state.', backends: ['md'] },
  'monitor-ended': { meaning: 'mdadm --monitor ended.', backends: ['md'] },
  'misplaced-word': { meaning: 'A key belongs to another section.', backends: [] },
  'too-deep': { meaning: 'The JSON is nested too deep.', backends: [] },
  'empty-output': { meaning: 'The tool printed nothing.', backends: [] },
  'nothing-configured': { meaning: 'The tool reports no configured resource.', backends: [] },
  'not-up': { meaning: 'The resource is configured and not up.', backends: [] },
  'command-failed': { meaning: 'The tool reports that a command of its own failed.', backends: [] },
  'ask-elsewhere': { meaning: 'The text omits volumes of DRBD 9; drbdsetup shows them.', backends: [] },
  'more-problems': { meaning: 'More problems exist than are listed.', backends: [] },
  'config-malformed': { meaning: 'drbdadm cannot read the configuration file.', backends: [] },
  'config-incomplete': { meaning: 'The configuration file ends inside a section.', backends: [] },
  'include-missing': { meaning: 'An included configuration file does not exist.', backends: [] },
  'file-unreadable': { meaning: 'A configuration file cannot be read.', backends: [] },
  'folder-unreadable': { meaning: 'A configuration folder cannot be listed.', backends: [] },
  'file-too-large': { meaning: 'A configuration file exceeds the limit.', backends: [] },
  'too-many-files': { meaning: 'There are more configuration files than the limit.', backends: [] },
  'bad-uuid': { meaning: 'A UUID in mdadm.conf is malformed.', backends: [] },
  'not-comparable': { meaning: 'An array in mdadm.conf has no UUID.', backends: [] },
} as const satisfies Record<string, { readonly meaning: string; readonly backends: readonly ('drbd' | 'md')[] }>

export type ProblemCode = keyof typeof PROBLEM_CODES

/** Input that a parser does not understand, listed beside the devices that it does understand. */
export interface Problem {
  /** The device or object; `null` when the input does not name it. */
  readonly device: string | null
  readonly code: ProblemCode
  /** One sentence with an excerpt of the input, at most 200 characters. */
  readonly text: string
}
