import { askStockPool } from '../../coordinator/guard-client.ts'
import { foregroundClock } from '../../platform/time/clock.ts'
import { type NamedReservation, removeReservation, reserveHost } from '../../stock-pool/operate/reserve-host.ts'
import { currentUser } from '../ask/current-user.ts'
import { pageOf, print, printJson, printProblem } from '../ask/shell-command.ts'
import { nearestWord } from '../nearest-word.ts'
import { formatMoment } from '../screen/moments.ts'
import { escaped, folded } from '../screen/screen-text.ts'
import { type Command, durationOf, EXIT, type Options, readOptions, type Terminal, UsageError } from '../terminal.ts'
import { guardConfigOf, STOCK_OPTIONS, STOCK_OPTIONS_HELP } from './guard-options.ts'

const HELP = `usage: resync-monitor reserve HOST [--for DURATION] [OPTION…]
       resync-monitor reserve [HOST] --remove

For a pool of unmodified toolstacks with a guard. Two disabled hosts block each other there, because each of them may be the next to
reboot. A reservation states that HOST is the next one, so that it may reboot although another host stays disabled. Storage still
blocks it. The pool has one reservation, and it expires.

  HOST                 a name-label, a hostname, a UUID, or the first four or more characters of a UUID
  --for DURATION       how long it is in force: 30m, 2h, 7d; at most 30d (default: 1h)
  --remove             end the reservation now
${STOCK_OPTIONS_HELP}

Exit codes: 0 done; 1 not done; 64 wrong usage; 65 the configuration cannot be used.

Examples: resync-monitor reserve hostB --for 2h
          resync-monitor reserve hostB --remove
`

const DEFAULT_FOR = '1h'
const MAX_FOR = '30d'
/** How many valid names an error lists. */
const MAX_LISTED = 8

export const reserve: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, { ...STOCK_OPTIONS, for: { type: 'string' }, remove: { type: 'boolean' } })
    const [host, surplus] = options.operands
    if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here: a reservation is for one host`)
    if (!options.flag('remove')) {
      if (host === undefined) throw new UsageError('a HOST is missing')
      return give(host, options, terminal)
    }
    if (options.text('for') !== undefined) throw new UsageError('--for cannot be combined with --remove')
    return remove(host, options, terminal)
  },
}

async function give(operand: string, options: Options, terminal: Terminal): Promise<number> {
  const forMs = durationOf('for', options.text('for') ?? DEFAULT_FOR, { max: MAX_FOR }) * 1_000
  const config = await guardConfigOf(options, terminal)
  if (config === null) return EXIT.dataError
  const now = Date.now()
  const request = { by: currentUser(), forMs, now }
  const answer = await askStockPool(config, foregroundClock, client => reserveHost(client, operand, request))
  if (!answer.ok) {
    printProblem(terminal, options, now, answer.problem)
    return EXIT.failed
  }
  if (answer.value.outcome === 'not-found') throw notFound(operand, answer.value)
  const { reservation, replaced, isEnabled, alsoDisabled } = answer.value
  if (options.flag('json')) {
    const document = { reservation: documentOf(reservation), replaced: documentOf(replaced), enabled: isEnabled }
    printJson(terminal, now, { ...document, alsoDisabled })
    return EXIT.ok
  }
  const { name } = reservation.host
  const others = alsoDisabled.map(host => host.name).join(', ')
  const sentences = [
    `The next reboot is reserved for ${untilText(reservation, now)}. Other disabled hosts do not block it.`,
    ...(replaced === null ? [] : [`It replaces the reservation for ${untilText(replaced, now)}.`]),
    ...(isEnabled ? [`${name} is enabled: disable it first, with xe host-disable host=${name}`] : []),
    ...(others === ''
      ? []
      : [
          `RISK: the toolstack cannot tell hosts apart. Until the reservation ends it also accepts a reboot of ${others}, disabled as well.`,
        ]),
    `To end it early: resync-monitor reserve ${name} --remove`,
  ]
  const { columns } = pageOf(terminal, now)
  print(
    terminal,
    sentences.flatMap(text => folded(escaped(text), 0, columns)),
  )
  return EXIT.ok
}

async function remove(operand: string | undefined, options: Options, terminal: Terminal): Promise<number> {
  const config = await guardConfigOf(options, terminal)
  if (config === null) return EXIT.dataError
  const now = Date.now()
  const answer = await askStockPool(config, foregroundClock, client => removeReservation(client, operand, now))
  if (!answer.ok) {
    printProblem(terminal, options, now, answer.problem)
    return EXIT.failed
  }
  switch (answer.value.outcome) {
    case 'not-found':
      throw notFound(operand ?? '', answer.value)
    case 'of-another-host': {
      const { host, inForce } = answer.value
      const text = `${host.name} has no reservation; the reservation is for ${untilText(inForce, now)}`
      printProblem(terminal, options, now, { code: 'refused', text })
      return EXIT.failed
    }
    case 'removed': {
      const { removed } = answer.value
      if (options.flag('json')) printJson(terminal, now, { removed: documentOf(removed) })
      else if (removed === null) print(terminal, ['There was no reservation in force.'])
      else print(terminal, [escaped(`The reservation for ${removed.host.name} is removed.`)])
      return EXIT.ok
    }
  }
}

/** `hostB until …, by ada`. */
function untilText({ host, by, expiresMs }: NamedReservation, now: number): string {
  return `${host.name} until ${formatMoment(new Date(expiresMs).toISOString(), now)}, by ${by}`
}

function documentOf(reservation: NamedReservation | null) {
  if (reservation === null) return null
  const { host, by, expiresMs } = reservation
  return { host, by, expiresAt: new Date(expiresMs).toISOString() }
}

function notFound(
  operand: string,
  { candidates, valid }: { readonly candidates: readonly string[]; readonly valid: readonly string[] },
): UsageError {
  if (candidates.length > 0) return new UsageError(escaped(`'${operand}' matches ${candidates.join(' and ')}`))
  const more = valid.length > MAX_LISTED ? `, and ${valid.length - MAX_LISTED} more` : ''
  const nearest = nearestWord(operand, valid)
  const question = nearest === null ? '' : `; did you mean ${nearest}?`
  return new UsageError(
    escaped(
      `there is no host '${operand}' in this pool${question}; valid: ${valid.slice(0, MAX_LISTED).join(', ')}${more}`,
    ),
  )
}
