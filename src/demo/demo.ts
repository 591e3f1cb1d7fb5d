import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { findByName, hostNotFound } from '../allowed-operations/pool/find-by-name.ts'
import type { PoolSnapshot } from '../allowed-operations/pool/pool-snapshot.ts'
import { describeGate, hostName, srName } from '../allowed-operations/reason/describe-gate.ts'
import type { GateReason } from '../allowed-operations/reason/gate-reason.ts'
import { gateRemedy } from '../allowed-operations/reason/gate-reason.ts'
import { type Command, EXIT, readOptions, type Terminal, UsageError } from '../cli/terminal.ts'
import { messageOf } from '../platform/errors.ts'
import { XenApiError } from '../xenapi-client/errors.ts'
import { type Account, jsonAccount, plainAccount } from './account.ts'
import { createDemoPool, type DemoPool } from './pool.ts'
import { Story, tellRebootAndResync } from './story.ts'

const HELP = `usage: resync-monitor demo [OPTION…]

Brings up an embedded pool of three hosts whose SR is mirrored over them, each with a real agent on DRBD as recorded from
real kernels, and tells what happens. Type \`help\` for what you can do.

  --speed N            how much faster than recorded (default 2; a scenario: 20)
  --port N             port of the XenAPI endpoint on 127.0.0.1 (default: any free one)
  --json               one JSON object per line instead of sentences
  --scenario NAME      play a story by itself; there is one: reboot-and-resync
  --exit               end after the scenario: 0 if it ended as it must, 1 if not

Example: resync-monitor demo --scenario reboot-and-resync --json --exit
`

const SCENARIOS = ['reboot-and-resync'] as const
const PROGRESS_EVERY_MS = 200

export const demo: Command = {
  help: HELP,
  async run(args, terminal) {
    const options = readOptions(args, {
      speed: { type: 'string' },
      port: { type: 'string' },
      json: { type: 'boolean' },
      scenario: { type: 'string' },
      exit: { type: 'boolean' },
    })
    if (options.operands.length > 0) throw new UsageError(`'${options.operands[0]}' is not expected here`)
    const scenario = options.choice('scenario', SCENARIOS)
    if (options.flag('exit') && scenario === undefined) throw new UsageError('--exit needs a --scenario to end after')
    const speed = numberIn(options.text('speed') ?? (scenario === undefined ? '2' : '20'), 'speed', 0.1, 1000)
    const port = numberIn(options.text('port') ?? '0', 'port', 0, 65_535)

    const told: { account?: Account; story?: Story; broken?: unknown } = {}
    const pool = await createDemoPool(speed, port, {
      transition: (hostname, transition, status) => {
        told.account?.transition(hostname, transition, status)
        told.story?.transition(hostname, transition)
      },
      operations: (hostname, change) => {
        told.account?.operations(hostname, change)
        told.story?.operations(hostname, change)
      },
      bug: bug => {
        told.broken ??= bug
      },
    })
    const account = options.flag('json') ? jsonAccount(terminal) : plainAccount(terminal, () => pool.snapshot())
    told.account = account
    introduce(pool, account)
    if (scenario !== undefined) told.story = new Story(pool.hosts.map(({ hostname }) => hostname))
    const bars = setInterval(() => account.progress(statuses(pool)), PROGRESS_EVERY_MS)
    try {
      await pool.begin()
      const ended = told.story === undefined || (await tellRebootAndResync(pool, account, told.story))
      if (!options.flag('exit')) await converse(pool, account, terminal)
      if (told.broken !== undefined) throw told.broken
      return ended ? EXIT.ok : EXIT.failed
    } finally {
      clearInterval(bars)
      await pool.close()
    }
  },
}

function introduce(pool: DemoPool, account: Account): void {
  const { url, credentials, folder, hosts } = pool
  const names = hosts.map(({ hostname }) => hostname)
  account.note(`a pool of ${names.join(', ')} with one SR mirrored over them (resources mesh0 and mesh1)`, {
    hosts: names,
  })
  account.note(`XenAPI: ${url}/jsonrpc, user ${credentials.user}, password ${credentials.password}`, {
    url,
    credentials,
  })
  account.note(`the hosts' /proc, /sys and /etc: ${folder}`, { folder })
  account.note('all hosts are in maintenance mode: XenAPI offers reboot and shutdown of disabled hosts only', {})
}

function statuses(pool: DemoPool) {
  return pool.hosts.map(({ hostname }) => ({ hostname, status: pool.status(hostname) }))
}

const CONVERSATION_HELP = `  HOST is a name in any case, a UUID, or a beginning of that of four characters or more
  reboot HOST      through XenAPI's host.reboot
  shutdown HOST    through host.shutdown
  power-on HOST    through host.power_on
  status           what every host says, and what is allowed on it
  quit`

/** Lets the user act, until they leave or the input ends on a terminal; without one until a signal ends the program. */
async function converse(pool: DemoPool, account: Account, { stdin, stdout }: Terminal): Promise<void> {
  if (stdin.isTTY === true) stdout.write(`type a command:\n${CONVERSATION_HELP}\n`)
  const lines = createInterface({ input: stdin })
  const leave = new AbortController()
  // Not `once`: see run-daemon.ts.
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => leave.abort())
  lines.on('line', line => {
    obey(line.trim(), pool, account, stdout, leave).catch(error => account.note(messageOf(error), {}))
  })
  const ended = stdin.isTTY === true ? once(lines, 'close', { signal: leave.signal }) : once(leave.signal, 'abort')
  await ended.catch(() => undefined)
  lines.close()
}

async function obey(
  line: string,
  pool: DemoPool,
  account: Account,
  stdout: Terminal['stdout'],
  leave: AbortController,
): Promise<void> {
  const [verb = '', ...called] = line.split(/\s+/)
  switch (verb) {
    case '':
      return
    case 'quit':
    case 'exit':
      leave.abort()
      return
    case 'status':
      for (const each of pool.hosts) {
        const operations = pool.snapshot().hosts.find(({ ref }) => ref === each.ref)?.allowedOperations ?? []
        stdout.write(
          `${each.hostname}  ${pool.status(each.hostname)?.state ?? 'off'}  allowed: ${operations.join(' ')}\n`,
        )
      }
      return
    case 'reboot':
    case 'shutdown':
    case 'power-on': {
      const { hosts } = pool.snapshot()
      const found = findByName(called.join(' '), pool.hosts, ({ ref, hostname }) => ({
        uuid: hosts.find(each => each.ref === ref)?.uuid ?? ref,
        names: [hostname],
      }))
      if (found.ok) await operate(pool, account, found.value, verb === 'power-on' ? 'power_on' : verb)
      else stdout.write(`${hostNotFound(called.join(' '), found.candidates)}\n`)
      return
    }
    default:
      stdout.write(`${CONVERSATION_HELP}\n`)
  }
}

/** Asks for a host operation as any client would, and tells what XenAPI says. Returns XenAPI's error code, if any. */
export async function operate(
  pool: DemoPool,
  account: Account,
  { hostname, ref }: DemoPool['hosts'][number],
  operation: 'reboot' | 'shutdown' | 'power_on',
): Promise<string | null> {
  const details = { host: hostname, operation }
  try {
    await pool.client.call(`host.${operation}`, [ref])
    account.note(`host.${operation} of ${hostname}: accepted`, { ...details, accepted: true })
    return null
  } catch (error) {
    if (!(error instanceof XenApiError)) throw error
    const { code, params } = error
    const { verdict, pool: seen } = pool.verdict(ref, operation)
    const reasons = verdict === null || verdict.allowed ? [] : verdict.reasons
    const refusal = { ...details, accepted: false, error: [code, ...params], reasons }
    account.note(`host.${operation} of ${hostname}: refused, ${[code, ...params].join(' ')}`, refusal, [
      ...reasons.flatMap(reason => whyAndRemedy(reason, seen)),
      ...(ORDINARY_REFUSALS[code] ?? []),
    ])
    return code
  }
}

/** Refusals that have nothing to do with storage, and what to do about them. */
const ORDINARY_REFUSALS: Readonly<Record<string, readonly string[]>> = {
  HOST_IS_LIVE: ['it is up: only a host that is down can be powered on'],
  HOST_OFFLINE: ['it is down: `power-on` starts it'],
  HOST_NOT_DISABLED: ['it is not in maintenance mode yet; the demo disables it by itself: wait a moment'],
  OTHER_OPERATION_IN_PROGRESS: ['another operation of it has not ended: wait for it'],
}

function whyAndRemedy(reason: GateReason, pool: PoolSnapshot): string[] {
  const { code, host, sr, clearedBy } = reason
  const named = { uuid: pool.hosts.find(({ ref }) => ref === host)?.uuid ?? host, name: hostName(host, pool) }
  return [
    `because ${describeGate(reason, pool)}`,
    gateRemedy(code, { host: named, sr: srName(sr, pool), clearedBy }).text,
  ]
}

function numberIn(text: string, option: string, least: number, most: number): number {
  const value = Number(text)
  if (text.trim() === '' || !(value >= least && value <= most)) {
    throw new UsageError(`--${option} must be a number from ${least} to ${most}, not '${text}'`)
  }
  return value
}
