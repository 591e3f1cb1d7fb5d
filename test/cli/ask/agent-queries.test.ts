import { createServer } from 'node:http'
import { join, relative } from 'node:path'
import t, { type Test } from 'tap'
import { AgentQueries } from '../../../src/cli/ask/agent-queries.ts'
import { byUrgency, causesOfGate } from '../../../src/cli/screen/cause.ts'
import { UNPAINTED } from '../../../src/cli/screen/paint.ts'
import { rootCauseLines } from '../../../src/cli/screen/root-cause-lines.ts'
import { folderOf } from '../../volume-plugin/plugin-under-test.ts'
import {
  copying,
  gateOf,
  HOST_B,
  HOST_C,
  leaseExpired,
  resyncingOn,
  runShell,
  ScriptedAgent,
  SR,
} from '../scripted-agent.ts'

/** A server at a socket that answers every call with `answer`. */
async function answering(t: Test, answer: (id: unknown) => unknown): Promise<AgentQueries> {
  const server = createServer((request, response) => {
    let body = ''
    request.on('data', chunk => {
      body += chunk
    })
    request.on('end', () => response.end(JSON.stringify(answer(JSON.parse(body).id))))
  })
  const socket = join(folderOf(t), 's')
  await new Promise<void>(resolve => server.listen(socket, resolve))
  t.teardown(() => server.close())
  return new AgentQueries(socket)
}

t.test('an answer of another program, or of another version, is a problem', async t => {
  for (const [answer, code] of [
    [(id: unknown) => ({ jsonrpc: '2.0', id, result: { hosts: 'all' } }), 'not-understood'],
    [(id: unknown) => ({ jsonrpc: '2.0', id, result: null }), 'not-understood'],
    [(id: unknown) => ({ jsonrpc: '2.0', id, error: { code: -32601, message: 'Method not found' } }), 'not-understood'],
    [(id: unknown) => ({ jsonrpc: '2.0', id, error: { code: -32603, message: 'internal error' } }), 'internal'],
    [(id: unknown) => ({ jsonrpc: '2.0', id, error: { code: -32004, message: 'no gate' } }), 'noGate'],
    [() => 'hello', 'agent-away'],
  ] as const) {
    const queries = await answering(t, answer)
    t.match(await queries.gate(), { ok: false, problem: { code, text: /./ } }, code)
    t.match(await queries.report(SR), { ok: false, problem: { code } }, code)
  }
})

t.test('keys of a newer agent are ignored', async t => {
  const gate = { ...gateOf([leaseExpired(HOST_C)]), more: true }
  const answer = await (await answering(t, id => ({ jsonrpc: '2.0', id, result: gate }))).gate()
  const { more: _, ...known } = gate
  t.strictSame(answer, { ok: true, value: known })
  const agent = await new ScriptedAgent(t).listen()
  agent.setReport(
    SR,
    Array.from({ length: 1500 }, (_, index) => copying(`vol-${index}/0`, 0.5)),
    { mirrors: { synced: 0, resyncing: 1500, degraded: 0, unknown: 0 } },
  )
  const report = await new AgentQueries(agent.socket).report(SR)
  t.ok(report.ok && report.value.reasons.length === 1024)
  t.match(report, { value: { reasonsOmitted: 476 } }, 'a report with very many reasons is read, too')
})

t.test('a call ends when its signal aborts', async t => {
  const server = createServer(() => undefined)
  const socket = join(folderOf(t), 's')
  await new Promise<void>(resolve => server.listen(socket, resolve))
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  const controller = new AbortController()
  const call = new AgentQueries(socket, controller.signal).srs()
  server.once('request', () => controller.abort())
  t.match(await call, { ok: false, problem: { code: 'agent-away', text: /timed out/ } })
})

t.test('a reason of another version blocks, and is shown with its own sentence', async t => {
  const other = {
    ...leaseExpired(HOST_B),
    code: 'gate-code-of-2030',
    clearedBy: 'time' as const,
    text: 'the text of 2030',
  }
  const notSynced = resyncingOn(HOST_C)
  const mirrorReasons = [{ code: 'mirror-code-of-2030', mirror: 'vol-7/0', clearedBy: 'operator' as const }]
  const causes = byUrgency(causesOfGate([other, other, { ...notSynced, mirrorReasons }], { coordinator: null }, null))
  t.strictSame(
    causes.map(({ code, blocking, remedy }) => [code, blocking, remedy === null]),
    [
      ['mirror-code-of-2030', true, true],
      ['gate-code-of-2030', true, true],
      ['not-synced', true, false],
    ],
  )
  const text = rootCauseLines(causes, { columns: 80, paint: UNPAINTED, now: Date.now() }).join('\n')
  t.match(text, /^the text of 2030\n {2}gate-code-of-2030 on hostB[\s\S]*This version does not know the code/m)
})

t.test('--socket may be a relative path, and not empty', async t => {
  const agent = await new ScriptedAgent(t).listen()
  const status = await runShell(['status', '--socket', relative(process.cwd(), agent.socket)])
  t.match(status, { exitCode: 0, stdout: /^SR 5c5c5c5c/ })
  for (const args of [['status'], ['wait'], ['completion', 'names']]) {
    const { exitCode, stderr } = await runShell([...args, '--socket', ''])
    t.match({ exitCode, stderr }, { exitCode: 64, stderr: /: --socket must not be empty\n/ }, args.join(' '))
  }
})
