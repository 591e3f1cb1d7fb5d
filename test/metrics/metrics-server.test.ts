import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { execa } from 'execa'
import t from 'tap'
import { MetricsServer } from '../../src/metrics/metrics-server.ts'
import { ProcessMetrics } from '../../src/metrics/process-metrics.ts'
import { machineClock } from '../../src/platform/time/clock.ts'
import { everything, SR } from './every-metric.ts'
import { findProgram } from './find-program.ts'
import { figures, parseExposition } from './parse-exposition.ts'

interface Tap {
  teardown(end: () => unknown): void
}

async function serving(t: Tap, options: Partial<ConstructorParameters<typeof MetricsServer>[0]> = {}) {
  const bugs: unknown[] = []
  const server = new MetricsServer({
    clock: machineClock,
    parts: everything(),
    onBug: bug => bugs.push(bug),
    ...options,
  })
  const { host, port } = await server.listen({ port: 0 })
  t.teardown(() => server.close())
  return { bugs, address: `${host}:${port}`, url: `http://${host}:${port}/metrics` }
}

t.test('a scrape returns every part', async t => {
  const { url, bugs } = await serving(t)
  const response = await fetch(url)
  const text = await response.text()
  t.equal(response.headers.get('content-type'), 'text/plain; version=0.0.4; charset=utf-8')
  t.match(figures(text, 'resync_monitor_sr_state'), { [`${SR} resyncing`]: 1, [`${SR} synced`]: 0 })
  t.match(figures(text, 'resync_monitor_gate_blocked'), { 'uuid-a reboot': 1 })
  t.strictSame(figures(text, 'resync_monitor_build_info'), { [`1.2.3 ${process.versions.node}`]: 1 })
  const cpu = figures(text, 'process_cpu_seconds_total')[''] ?? 0
  t.ok(cpu > 0 && cpu < 600)
  t.ok((figures(text, 'process_resident_memory_bytes')[''] ?? 0) > 1e6)
  const started = figures(text, 'process_start_time_seconds')[''] ?? 0
  t.ok(Math.abs(Date.now() / 1000 - started) < 3600)
  for (const { name } of parseExposition(text)) t.match(name, /^(?:resync_monitor|process)_/)
  t.equal((await fetch(url.replace('/metrics', '/'))).status, 404)
  t.equal((await fetch(url, { method: 'POST' })).status, 405)
  t.strictSame(bugs, [])
})

t.test('CPU time is counted once', async t => {
  const part = new ProcessMetrics({ version: '1' })
  const cpu = async () => figures(await part.render(), 'process_cpu_seconds_total')[''] ?? 0
  const first = await cpu()
  const second = await cpu()
  const { user, system } = process.cpuUsage()
  t.ok(second >= first && second <= (user + system) / 1e6 + 1e-6)
})

t.test('concurrent scrapes share one rendering', async t => {
  let rendered = 0
  const part = {
    render: async () => {
      rendered += 1
      return `${rendered}\n`
    },
  }
  const many = await serving(t, { parts: [part], reuseForMs: 60_000 })
  const texts = await Promise.all(Array.from({ length: 8 }, async () => (await fetch(many.url)).text()))
  t.strictSame(new Set(texts), new Set(['1\n']))
  const fresh = await serving(t, { parts: [part], reuseForMs: 0 })
  t.equal(await (await fetch(fresh.url)).text(), '2\n')
  t.equal(await (await fetch(fresh.url)).text(), '3\n', 'later scrapes are rendered again')
})

t.test('a bug aborts the scrape and is reported, and the next scrape is answered', async t => {
  let fails = true
  const part = {
    render: async () => {
      if (fails) throw new TypeError('a secret')
      return 'well\n'
    },
  }
  const { url, bugs } = await serving(t, { parts: [part], reuseForMs: 0 })
  await t.rejects(fetch(url))
  t.match(bugs, [{ message: 'a secret' }])
  fails = false
  t.equal(await (await fetch(url)).text(), 'well\n')
})

t.test('a port in use is an error', async t => {
  const { address } = await serving(t)
  const port = Number(address.split(':')[1])
  const other = new MetricsServer({ clock: machineClock, parts: [], onBug: () => undefined })
  await t.rejects(other.listen({ port }), { code: 'EADDRINUSE' })
  await other.close()
})

const promtool = findProgram('promtool')
t.test('promtool finds no problem', { skip: promtool === null && 'promtool is not installed' }, async t => {
  const texts = await Promise.all(everything().map(part => part.render()))
  const { exitCode, all } = await execa(promtool ?? '', ['check', 'metrics'], {
    input: texts.join('\n'),
    all: true,
    reject: false,
    timeout: 30_000,
  })
  t.strictSame({ exitCode, all }, { exitCode: 0, all: '' })
})

const prometheus = findProgram('prometheus')
t.test('Prometheus scrapes the server', { skip: prometheus === null && 'prometheus is not installed' }, async t => {
  const { address } = await serving(t)
  const folder = mkdtempSync(join(tmpdir(), 'prometheus-'))
  t.teardown(() => rmSync(folder, { recursive: true }))
  const config = {
    global: { scrape_interval: '1s' },
    scrape_configs: [{ job_name: 'resync-monitor', static_configs: [{ targets: [address] }] }],
  }
  // JSON is YAML.
  writeFileSync(join(folder, 'prometheus.yml'), JSON.stringify(config))
  const port = await freePort()
  const files = [`--config.file=${join(folder, 'prometheus.yml')}`, `--storage.tsdb.path=${join(folder, 'data')}`]
  const child = execa(prometheus ?? '', [...files, `--web.listen-address=127.0.0.1:${port}`], {
    reject: false,
    stdio: 'ignore',
    timeout: 60_000,
    killSignal: 'SIGKILL',
  })
  t.teardown(async () => {
    child.kill()
    await child
  })
  const ask = async (query: string) => {
    const url = `http://127.0.0.1:${port}/api/v1/query?query=${encodeURIComponent(query)}`
    const answer = await fetch(url).then(
      response => response.text(),
      () => '',
    )
    return /"value":\[[\d.]+,"([^"]+)"\]/.exec(answer)?.[1]
  }
  const deadlineMs = performance.now() + 30_000
  while ((await ask('resync_monitor_source_up{backend="drbd"}')) === undefined && performance.now() < deadlineMs) {
    await delay(100)
  }
  t.equal(await ask('up{job="resync-monitor"}'), '1')
  t.equal(await ask('resync_monitor_source_up{backend="drbd"}'), '1')
  t.equal(await ask(`resync_monitor_sr_state{sr="${SR}",state="resyncing"}`), '1')
  t.equal(await ask('resync_monitor_mirror_out_of_sync_bytes{mirror="a \\"quoted\\" \\\\ name/0"}'), '4096')
  t.equal(await ask('count(resync_monitor_gate_blocked{operation="reboot"} == 1)'), '3')
})

async function freePort(): Promise<number> {
  const probe = createServer().listen(0, '127.0.0.1')
  await once(probe, 'listening')
  const address = probe.address()
  await new Promise(resolve => probe.close(resolve))
  return typeof address === 'object' && address !== null ? address.port : 0
}
