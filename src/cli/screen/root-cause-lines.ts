import { labelOf, nameOf } from '../ask/names.ts'
import { type Cause, kindTitle } from './cause.ts'
import { formatMoment } from './moments.ts'
import { mirrorCount, type RootCause, rootCauses } from './root-causes.ts'
import { escaped, folded } from './screen-text.ts'
import type { Page } from './sr-lines.ts'

/** How many reasons of one root cause are printed in full. */
const MAX_ALIKE = 3
const MAX_NAMES = 20

/** Root causes in full, with the commands of their remedies. Commands are never folded, so that they can be copied. */
export function rootCauseLines(causes: readonly Cause[], page: Page): string[] {
  return rootCauses(causes).flatMap(root => [
    ...titleLines(root, page),
    ...reasonLines(root, page),
    ...consequenceLines(root, page),
    '',
  ])
}

function titleLines({ title, blocking, clearedBy }: RootCause, page: Page): string[] {
  const tone = !blocking ? 'faint' : clearedBy === 'operator' ? 'bad' : 'moving'
  const text = blocking ? title : `warning: ${title}`
  return folded(escaped(text), 0, page.columns).map(line => page.paint(tone, line))
}

function reasonLines({ title, causes }: RootCause, page: Page): string[] {
  let remedyBefore = ''
  const lines = causes.slice(0, MAX_ALIKE).flatMap(cause => {
    const remedy = JSON.stringify(cause.remedy)
    const isRepeated = remedy === remedyBefore
    remedyBefore = remedy
    return [
      ...(cause.text === title ? [] : folded(escaped(cause.text), 2, page.columns)),
      ...placeLines(cause, page),
      ...(isRepeated ? [] : remedyLines(cause, page)),
    ]
  })
  const rest = causes.slice(MAX_ALIKE)
  return rest.length === 0
    ? lines
    : [...lines, ...folded(escaped(`and ${rest.length} more${nameList(rest)}`), 2, page.columns)]
}

function placeLines({ code, host, sr, since }: Cause, page: Page): string[] {
  const name = nameOf(sr)
  const srText = name === sr.uuid ? name : `${name} (${sr.uuid})`
  return [
    ...folded(escaped(`${code} on ${nameOf(host)}, SR ${srText}`), 2, page.columns),
    ...(since === null ? [] : [`  since ${formatMoment(since, page.now)}`]),
  ]
}

function remedyLines({ remedy }: Cause, page: Page): string[] {
  if (remedy === null) {
    return folded('This version does not know the code. Run `resync-monitor explain` on that host.', 2, page.columns)
  }
  return [
    ...folded(escaped(remedy.text), 2, page.columns),
    ...(remedy.warning === null ? [] : folded(`RISK: ${escaped(remedy.warning)}`, 2, page.columns)),
    ...remedy.steps.flatMap(({ on, commands }) => [
      `  on ${escaped(on)}:`,
      ...commands.map(command => page.paint('strong', `    ${escaped(command)}`)),
    ]),
  ]
}

function consequenceLines({ consequences }: RootCause, page: Page): string[] {
  const byCode = Map.groupBy(consequences, ({ scope, code }) => `${scope} ${code}`)
  return [...byCode.values()].flatMap(alike => {
    const [first] = alike
    if (first === undefined) return []
    const hosts = [...new Set(alike.map(({ host }) => nameOf(host)))].join(', ')
    const mirrors = mirrorCount(alike)
    const srs = [...new Set(alike.map(({ sr }) => labelOf(sr)))].slice(0, MAX_NAMES).join(', ')
    const text =
      mirrors === 0
        ? `${kindTitle(first.code)}: ${hosts}; SR ${srs}`
        : `${kindTitle(first.code)}: ${mirrors} mirror${mirrors === 1 ? '' : 's'} on ${hosts}${nameList(alike)}`
    return folded(escaped(`follows: ${text}`), 2, page.columns)
  })
}

function nameList(causes: readonly Cause[]): string {
  const names = [...new Set(causes.flatMap(({ mirror }) => (mirror === null ? [] : [mirror])))]
  if (names.length === 0) return ''
  return `: ${names.slice(0, MAX_NAMES).join(' ')}${names.length > MAX_NAMES ? ' …' : ''}`
}
