import { type Cause, nameOf } from './cause.ts'
import { sayMoment } from './moment-words.ts'
import { folded, shown } from './screen-text.ts'
import type { Page } from './sr-lines.ts'

/** So many of one kind are told in full: 5 000 volumes of one peer have one thing to say. */
const MAX_ALIKE = 3
const MAX_NAMES = 20

/** Causes in full, with what an operator would run. Commands are never broken, so that they can be copied. */
export function causeLines(causes: readonly Cause[], page: Page): string[] {
  const kinds = Map.groupBy(causes, ({ code, host, sr, peer, clearedBy }) =>
    JSON.stringify([code, host.uuid, sr.uuid, peer, clearedBy]),
  )
  return [...kinds.values()].flatMap(alike => {
    const rest = alike.slice(MAX_ALIKE)
    return [...alike.slice(0, MAX_ALIKE).flatMap(cause => oneCause(cause, page)), ...alikeLines(rest, page)]
  })
}

function oneCause(cause: Cause, page: Page): string[] {
  const { code, host, sr, blocking, since, text, remedy } = cause
  const head = blocking ? code : `${code} (warning)`
  return [
    page.paint(!blocking ? 'faint' : cause.clearedBy === 'operator' ? 'bad' : 'moving', shown(head)),
    ...folded(shown(text), 2, page.columns),
    `  on ${shown(nameOf(host))}, SR ${shown(sr.uuid)}`,
    ...(since === null ? [] : [`  since ${sayMoment(since, page.now)}`]),
    ...(remedy === null
      ? folded('This version does not know the code: ask the host that gives it.', 2, page.columns)
      : [
          ...folded(shown(remedy.text), 2, page.columns),
          ...(remedy.warning === null ? [] : folded(`RISK: ${shown(remedy.warning)}`, 2, page.columns)),
          ...remedy.steps.flatMap(({ on, commands }) => [
            `  on ${shown(on)}:`,
            ...commands.map(command => page.paint('strong', `    ${shown(command)}`)),
          ]),
        ]),
    '',
  ]
}

function alikeLines(rest: readonly Cause[], page: Page): string[] {
  const [first] = rest
  if (first === undefined) return []
  const names = rest.flatMap(({ mirror }) => (mirror === null ? [] : [shown(mirror)]))
  const more = names.length > MAX_NAMES ? ' …' : ''
  const text = `and ${rest.length} more ${shown(first.code)} alike: ${names.slice(0, MAX_NAMES).join(' ')}${more}`
  return [...folded(text, 2, page.columns), '']
}
