import { PORTS } from './host-files.ts'
import type { Lab } from './lab.ts'

const TIMEOUT_MS = 10_000

/** Calls a method of a host's agent at its network address. @throws Error if it does not answer or refuses */
export async function askAgent(lab: Lab, host: string, method: string, params: object): Promise<unknown> {
  const answer = await fetch(`http://127.0.0.1:${lab.host(host).reach(PORTS.agent)}/jsonrpc`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    signal: AbortSignal.timeout(TIMEOUT_MS),
  })
  const { result, error } = (await answer.json()) as { result?: unknown; error?: { message: string } }
  if (error !== undefined) throw new Error(`${method} of ${host}: ${error.message}`)
  return result
}
