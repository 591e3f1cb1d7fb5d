import { mkdtempSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import type { SyncAnswers } from '../../src/agent-api/agent-methods.ts'
import type { Report } from '../../src/sync-query/report/report.ts'
import type { SrStatus } from '../../src/sync-query/sr-state/sr-fold.ts'
import type { PresentMirrors } from '../../src/volume-plugin/probe.ts'
import type { HostKnowledge } from '../../src/volume-plugin/sr-calls.ts'
import type { SrWatch } from '../../src/volume-plugin/sr-configuration.ts'
import type { PoolSrState } from '../../src/volume-plugin/sr-health.ts'
import { VolumePlugin } from '../../src/volume-plugin/volume-plugin.ts'

export const MANIFEST = JSON.parse(readFileSync(resolve(import.meta.dirname, '../../plugin.json'), 'utf8'))
export const SR = '5c5c5c5c-0000-4000-8000-000000000001'
export const URI = `resync-monitor://${SR}`
export const SYNCED: SrStatus = {
  state: 'synced',
  since: Date.parse('2026-11-22T16:00:00.000Z'),
  mirrors: { unknown: 0, degraded: 0, resyncing: 0, synced: 12 },
  outOfSyncBytes: 0,
  progress: null,
  etaSeconds: null,
  reasons: [],
}

export interface Tap {
  teardown(end: () => unknown): void
}

/** A host whose state a test can change. */
export class Host implements HostKnowledge {
  statuses = new Map<string, SrStatus>([[SR, SYNCED]])
  pool: PoolSrState | null = null
  present: PresentMirrors = { drbd: [], md: [], doubts: [] }
  watched: readonly SrWatch[] = []
  /** Milliseconds since 1970. */
  now = Date.parse('2026-11-22T16:19:05.161Z')
  readonly problems: string[] = []
  readonly bugs: unknown[] = []

  status(sr: string) {
    return this.statuses.get(sr) ?? null
  }

  srs() {
    return [...this.statuses.keys()]
  }

  poolState() {
    return this.pool
  }

  presentMirrors() {
    return this.present
  }

  open(stateDirectory: string): Promise<VolumePlugin> {
    return VolumePlugin.open({
      host: this,
      stateDirectory,
      clock: { now: () => this.now },
      watch: srs => {
        this.watched = srs
      },
      onProblem: text => this.problems.push(text),
      onBug: bug => this.bugs.push(bug),
    })
  }
}

export function folderOf(t: Tap): string {
  // A socket's path has at most 107 bytes.
  const folder = realpathSync(mkdtempSync(join(tmpdir(), 'smapi-')))
  t.teardown(() => rmSync(folder, { recursive: true }))
  return folder
}

/** An agent's plugin without its socket. */
export async function plugged(t: Tap, folder = folderOf(t)) {
  const host = new Host()
  const plugin = await host.open(folder)
  const call = async (method: string, params: unknown) => {
    const { status, body } = await plugin.answer(method, JSON.stringify(params))
    return { status, answer: JSON.parse(body) }
  }
  return { host, plugin, folder, files: join(folder, 'volume-plugin'), call }
}

export const CONFIGURATION = { drbd: 'xcp-volume-*, xcp-persistent-database' }
export const CREATE = { uuid: SR, name: 'Sentinel', description: 'watches', configuration: CONFIGURATION, dbg: 'x' }
/** The configuration that SR.create returns. */
export const ATTACH = {
  configuration: { ...CONFIGURATION, name: CREATE.name, description: CREATE.description, sr_uuid: SR },
  dbg: 'x',
}

/** The answers of an agent with these reports; a test can change the reports. */
export function answersOf(reports: ReadonlyMap<string, Report>): SyncAnswers {
  return {
    srs: () => [...reports.keys()],
    report: sr => reports.get(sr) ?? null,
    unwatched: () => ({ drbd: ['scratch'], md: [], omitted: 0, doubts: [] }),
    mirrors: sr => {
      const counts = reports.get(sr)?.mirrors
      return counts === undefined ? null : { counts, mirrors: [], omitted: 0 }
    },
  }
}
