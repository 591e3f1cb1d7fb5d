import { mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t from 'tap'
import { AgentSocket } from '../../src/agent/agent-socket.ts'
import { newPollSecret, pollProof } from '../../src/agent-api/poll-proof.ts'
import { SyncEvents } from '../../src/agent-api/sync-events.ts'
import { AgentPolls } from '../../src/coordinator/agent-polls.ts'
import type { PollTarget } from '../../src/coordinator/gated-pool.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import { rawCall } from '../agent-api/raw-call.ts'
import { answersOf } from '../volume-plugin/plugin-under-test.ts'

const SR = '5c5c5c5c-0000-4000-8000-000000000001'
const HOST = '0a0a0a0a-0000-4000-8000-000000000001'
const OTHER_HOST = '0a0a0a0a-0000-4000-8000-000000000002'
const KEY = newPollSecret()

const REPORT: Report = {
  schema: 1,
  host: HOST,
  sr: SR,
  bootId: 'b0b0b0b0-0000-4000-8000-000000000001',
  seq: 1,
  at: '2026-11-22T16:00:00.000Z',
  state: 'degraded',
  since: '2026-11-22T16:00:00.000Z',
  mirrors: { unknown: 0, degraded: 1, resyncing: 0, synced: 2 },
  outOfSyncBytes: 0,
  progress: null,
  etaSeconds: null,
  reasons: [],
}

interface TearsDown {
  teardown(end: () => unknown): void
}

function folderOf(t: TearsDown): string {
  const folder = mkdtempSync(join(tmpdir(), 'polls-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** An agent that proves its answers with a key; without a key it is of an earlier version. */
async function agentWith(t: TearsDown, key: string | null, host = HOST): Promise<string> {
  const path = join(folderOf(t), 'agent.sock')
  const socket = new AgentSocket({
    clock: machineClock,
    answers: answersOf(new Map([[SR, REPORT]])),
    events: new SyncEvents(),
    onBug: bug => t.teardown(() => Promise.reject(bug)),
    ...(key === null ? {} : { prove: (sr, nonce, report) => pollProof(key, { host, sr, nonce }, report) }),
  })
  await socket.listen({ path })
  t.teardown(() => socket.close())
  return path
}

/** Another program at the address of an agent. */
async function impostor(t: TearsDown, answer: (params: Record<string, string>) => unknown): Promise<string> {
  const path = join(folderOf(t), 'agent.sock')
  const server = createServer(async (request, response) => {
    let body = ''
    for await (const chunk of request) body += String(chunk)
    const { id, params } = JSON.parse(body)
    response.end(JSON.stringify({ jsonrpc: '2.0', id, result: answer(params) }))
  })
  await new Promise<void>(resolve => {
    server.listen(path, resolve)
  })
  t.teardown(() => server.close())
  return path
}

const SYNCED = JSON.stringify({ ...REPORT, seq: 99, state: 'synced', mirrors: { ...REPORT.mirrors, degraded: 0 } })

function pollsOf() {
  const logged: string[] = []
  const polls = new AgentPolls(code => logged.push(code))
  const target = { host: 'ref', hostUuid: HOST, hostName: () => 'hostA', sr: SR, key: KEY }
  const poll = (agent: string | undefined, given: Partial<PollTarget> = {}) =>
    polls.report({ ...target, ...given }, agent, AbortSignal.timeout(10_000))
  return { logged, poll }
}

t.test('an answer is accepted if it contains the proof of the agent in the session of its host', async t => {
  const { poll, logged } = pollsOf()
  const text = await poll(await agentWith(t, KEY))
  t.match(JSON.parse(text), { host: HOST, state: 'degraded' })
  t.strictSame(logged, [])
})

t.test('an answer of another program at the address of an agent is rejected', async t => {
  const { poll } = pollsOf()
  const unverified = { name: 'UnverifiedAnswer' }
  await t.rejects(poll(await agentWith(t, newPollSecret())), unverified, 'another agent')
  await t.rejects(poll(await agentWith(t, KEY, OTHER_HOST)), unverified, 'the same key, of another host')
  await t.rejects(poll(await agentWith(t, null)), unverified, 'an agent of an earlier version')
  await t.rejects(poll(await agentWith(t, KEY), { key: null }), unverified, 'before the first heartbeat')
  await t.rejects(poll(await impostor(t, () => SYNCED)), unverified, 'a text')
  await t.rejects(poll(await impostor(t, () => ({ report: SYNCED, proof: '' }))), unverified, 'no proof')
  await t.rejects(poll(await impostor(t, () => ({ report: SYNCED, proof: 'é'.repeat(64) }))), unverified)
  const forged = pollProof(newPollSecret(), { host: HOST, sr: SR, nonce: newPollSecret() }, SYNCED)
  await t.rejects(poll(await impostor(t, () => ({ report: SYNCED, proof: forged }))), unverified, 'a proof of its own')
  const old = newPollSecret()
  const replayed = pollProof(KEY, { host: HOST, sr: SR, nonce: old }, SYNCED)
  await t.rejects(
    poll(await impostor(t, () => ({ report: SYNCED, proof: replayed }))),
    unverified,
    'an answer from before',
  )
  const ofOtherSr = (nonce: string) => pollProof(KEY, { host: HOST, sr: OTHER_HOST, nonce }, SYNCED)
  await t.rejects(
    poll(await impostor(t, ({ nonce = '' }) => ({ report: SYNCED, proof: ofOtherSr(nonce) }))),
    unverified,
  )
  const changed = (nonce: string) => pollProof(KEY, { host: HOST, sr: SR, nonce }, JSON.stringify(REPORT))
  await t.rejects(poll(await impostor(t, ({ nonce = '' }) => ({ report: SYNCED, proof: changed(nonce) }))), unverified)
})

t.test('answers that stay unverified are logged once, and again when they are verified', async t => {
  const { poll, logged } = pollsOf()
  const wrong = await agentWith(t, newPollSecret())
  for (const _ of [1, 2]) await poll(wrong).catch(() => undefined)
  t.strictSame(logged, [], 'an agent that was restarted has another key until its next heartbeat')
  for (const _ of [1, 2, 3]) await poll(wrong).catch(() => undefined)
  t.strictSame(logged, ['poll-unverified'])
  await poll(await agentWith(t, KEY))
  t.strictSame(logged, ['poll-unverified', 'poll-verified'])
  await t.rejects(poll(undefined), /no agent address/)
  await t.rejects(poll('/nowhere/agent.sock'), { name: 'AgentUnreachable' })
})

t.test('an invalid nonce is refused', async t => {
  const path = await agentWith(t, KEY)
  for (const nonce of [undefined, 7, '', 'ab', 'A'.repeat(64)]) {
    const asked = rawCall(path, 'SR.proven_report', { sr: SR, nonce })
    await t.rejects(asked, { code: -32_602 })
  }
})
