import { execFileSync } from 'node:child_process'
import t from 'tap'
import { shellWord } from '../../../src/platform/text/shell-word.ts'
import { REASONS, type Reason, type ReasonCode, reason, remedy } from '../../../src/sync-query/reason/reason.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const CODES = Object.keys(REASONS) as ReasonCode[]
const commandsOf = (about: Reason) => remedy(about, SR, 'hostA').steps.flatMap(({ commands }) => commands)

t.test('every reason has a remedy that bash can parse, for DRBD and md, with and without details', async t => {
  const full: Partial<Reason> = { peer: "host'B", word: 'Failed', waitsFor: 'mesh0/0 peer charlie' }
  const scripts: string[] = []
  for (const code of CODES) {
    for (const mirror of ['vol-7/0', 'md0', '/dev/md/home', '*']) {
      for (const clearedBy of ['time', 'operator'] as const) {
        for (const details of [{ clearedBy }, { ...full, clearedBy }]) {
          const { text, warning, steps } = remedy(reason(code, mirror, details), SR, 'hostA')
          t.match(text, /^[A-Z].*\.$/, code)
          t.notMatch(JSON.stringify({ text, warning, steps }), /undefined|null|NaN/, code)
          for (const { commands } of steps) {
            t.ok(commands.length > 0, `${code}: no empty step`)
            scripts.push(...commands)
          }
        }
      }
    }
  }
  execFileSync('bash', ['-n'], { input: scripts.join('\n') })
})

t.test('only remedies for reasons that time clears use `resync-monitor wait`', async t => {
  for (const code of CODES) {
    const byOperator = commandsOf(reason(code, 'vol-7/0', { clearedBy: 'operator' }))
    if (REASONS[code].clearedBy === 'operator') {
      t.notOk(
        byOperator.some(command => command.startsWith('resync-monitor wait')),
        code,
      )
    }
  }
  t.strictSame(commandsOf(reason('resync-running', 'vol-7/0', { peer: 'hostB' })), [`resync-monitor wait --sr ${SR}`])
})

t.test('each reason has its commands', async t => {
  const table: [Reason, string[]][] = [
    [reason('stand-alone', 'r0/0', { peer: 'hostB' }), ['drbdadm connect r0:hostB']],
    [reason('stand-alone', 'r0/0', { peer: 'peer' }), ['drbdadm connect r0']],
    [reason('stand-alone', 'r0/0'), ['drbdadm connect r0']],
    [reason('resync-paused', 'r0/0', { peer: 'hostB' }), ['drbdadm resume-sync r0:hostB/0']],
    [reason('resync-paused', 'md0'), ['echo idle > /sys/block/md0/md/sync_action']],
    [
      reason('resync-waiting', 'pair/0', { clearedBy: 'operator', waitsFor: 'mesh0/0 peer charlie' }),
      ['drbdadm resume-sync mesh0:charlie/0'],
    ],
    [
      reason('resync-waiting', 'pair/0', { clearedBy: 'operator', waitsFor: 'mesh0/0' }),
      ['drbdadm resume-sync mesh0/0'],
    ],
    [reason('resync-waiting', 'pair/0', { clearedBy: 'operator' }), ['drbdadm status --verbose']],
    [
      reason('resync-waiting', 'r0/0', { clearedBy: 'operator', word: 'peer', peer: 'hostB' }),
      ['drbdadm status --verbose r0', 'drbdadm resume-sync r0:hostA/0'],
    ],
    [
      reason('resync-waiting', 'r0/0', { clearedBy: 'operator', word: 'peer', peer: 'peer' }),
      ['drbdadm status --verbose r0', 'drbdadm resume-sync r0/0'],
    ],
    [
      reason('rejoined-unrepaired', 'r0/0', { peer: 'hostB' }),
      ['drbdadm verify r0:hostB/0', 'drbdadm invalidate --reset-bitmap=no r0:hostA/0'],
    ],
    [
      reason('verify-unrepaired', 'r0/1', { peer: 'hostB' }),
      ['drbdadm verify r0:hostB/1', 'drbdadm invalidate --reset-bitmap=no r0:KEPT_HOST/1'],
    ],
    [
      reason('marks-left', 'r0/0', { peer: 'hostB' }),
      ['drbdadm verify r0:hostB/0', 'drbdadm invalidate --reset-bitmap=no r0:KEPT_HOST/0'],
    ],
    [reason('drift', 'r0/0', { peer: 'peer' }), ['drbdadm verify r0/0', 'drbdadm invalidate --reset-bitmap=no r0/0']],
    [
      reason('resync-never-began', 'r0/0', { peer: 'hostB' }),
      ['drbdadm disconnect r0:hostB', 'drbdadm connect r0:hostB'],
    ],
    [
      reason('no-current-replica', 'r0/0'),
      ['drbdadm status --verbose --statistics r0', 'drbdadm primary --force r0', 'drbdadm secondary r0'],
    ],
    [reason('pause-left-set', 'r0/0', { peer: 'hostB' }), ['drbdadm resume-sync r0:hostB/0']],
    [
      reason('split-brain', 'r0/0', { peer: 'hostB' }),
      [
        'drbdadm disconnect r0:KEPT_HOST',
        'drbdadm secondary r0',
        'drbdadm connect --discard-my-data r0:KEPT_HOST',
        'drbdadm connect r0:LOSING_HOST',
      ],
    ],
    [reason('not-up', 'r0/0'), ['drbdadm up r0']],
    [reason('not-up', 'r0/*'), ['drbdadm up r0']],
    [reason('not-up', '/dev/md/home'), ['mdadm --assemble --scan', 'cat /proc/mdstat']],
    [
      reason('member-failed', 'md0', { peer: 'sdb1' }),
      ['mdadm --manage /dev/md0 --remove /dev/sdb1', 'mdadm --manage /dev/md0 --add NEW_MEMBER'],
    ],
    [reason('recovery-frozen', '/dev/md127'), ['echo idle > /sys/block/md127/md/sync_action']],
    [reason('resync-pending-write', 'md0'), ['mdadm --readwrite /dev/md0']],
    [reason('stand-alone', 'a; rm -rf $HOME/0'), ["drbdadm connect 'a; rm -rf $HOME'"]],
  ]
  for (const [about, commands] of table) t.strictSame(commandsOf(about), commands, `${about.code} of ${about.mirror}`)
})

t.test('for a StandAlone peer the remedy runs `drbdadm connect` on the peer', async t => {
  const steps = (details: Partial<Reason>) => remedy(reason('peer-not-connected', 'r0/0', details), SR, 'hostA').steps
  const there = [{ on: 'peer', commands: ['drbdadm status r0', 'drbdadm connect r0:hostA'] }]
  t.strictSame(steps({ peer: 'hostB', clearedBy: 'operator', waitsFor: 'hostB' }), there)
  t.strictSame(steps({ peer: 'hostB' }), there)
  t.strictSame(steps({ peer: 'hostB', clearedBy: 'operator' }), [
    { on: 'here', commands: ['drbdadm connect r0:hostB'] },
  ])
})

t.test('the remedy for a lost disk attaches it and warns against stopping the peer that serves the data', async t => {
  const { warning, steps } = remedy(reason('disk-not-up-to-date', 'r0/0', { word: 'Diskless' }), SR, 'hostA')
  const commands = ['dmesg --ctime | grep -iE "drbd|error" | tail -n 40', 'drbdadm attach r0/0']
  t.strictSame(steps, [{ on: 'here', commands }])
  t.match(warning, /do not take the peer down/)
})

t.test('the remedy for a single copy depends on whether the configuration names another replica', async t => {
  const textOf = (details: Partial<Reason>) => remedy(reason('single-copy', 'r0/0', details), SR, 'hostA').text
  t.match(textOf({ field: 'configuration' }), /add a peer to it/)
  t.match(textOf({}), /adjust the resource/)
})

t.test('every remedy that overwrites or stops something has a warning', async t => {
  const risky = /discard-my-data|invalidate|--add\b|--re-add|repair|--run\b|disconnect/
  for (const code of CODES) {
    for (const mirror of ['r0/0', 'md0']) {
      const { warning, steps } = remedy(reason(code, mirror), SR, 'hostA')
      if (risky.test(JSON.stringify(steps))) t.match(warning, /./, `${code} of ${mirror}`)
    }
  }
  t.strictSame(
    remedy(reason('split-brain', 'r0/0', { peer: 'hostB' }), SR, 'hostA').steps.map(({ on }) => on),
    ['losing-side', 'keeping-side'],
  )
})

t.test('a quoted shell word is unchanged by the shell and has no control characters', async t => {
  for (const word of [
    'plain',
    'with space',
    "it's",
    '$(id)',
    '`id`',
    'a\u001b[31mred',
    "b'\n\u009b\\x",
    'ü\u202egpj',
    '',
  ]) {
    t.equal(execFileSync('bash', ['-c', `printf %s ${shellWord(word)}`], { encoding: 'utf8' }), word)
    t.notMatch(shellWord(word), /[\p{Cc}\p{Cf}]/u)
  }
})
