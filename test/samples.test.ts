import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import t from 'tap'
import { AgentConfigSchema } from '../src/agent/agent-config.ts'
import { UpdaterConfigSchema } from '../src/coordinator/updater-config.ts'
import { parseConfigFile } from '../src/platform/config-file/parse-config-file.ts'
import { DaemonProcess, until } from './cli/daemon/daemon-process.ts'
import { ask } from './embedded-pool/pool-under-test.ts'

const SAMPLES = resolve(import.meta.dirname, '../samples')
const read = (name: string) => readFileSync(join(SAMPLES, name), 'utf8')

t.test('the sample configurations are valid and describe the same pool', async t => {
  const agent = parseConfigFile(read('agent.yaml'), 'agent.yaml', AgentConfigSchema)
  const updater = parseConfigFile(read('updater.yaml'), 'updater.yaml', UpdaterConfigSchema)
  if (!agent.ok || !updater.ok) {
    t.fail('a sample is not valid', { agent, updater })
    return
  }
  const { host, srs, toolstack, listen } = agent.config
  const entry = updater.config.hosts.find(({ uuid }) => uuid === host)
  t.equal(entry?.agent, `http://${listen?.host}:${listen?.port}`)
  t.equal(toolstack?.url, `http://${updater.config.listen.host}:${updater.config.listen.port}`)
  t.ok(updater.config.users.some(({ name, role }) => name === toolstack?.user && role === 'host-agent'))
  t.ok(srs.every(({ uuid }) => updater.config.srs.some(sr => sr.uuid === uuid && sr.hosts.includes(host))))
})

t.test('both daemons start with the samples, and the pool sees the host of the sample agent come up', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'samples-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true, maxRetries: 5 }))
  for (const name of ['password', 'agents-password']) writeFileSync(join(folder, name), 'secret\n')
  /** The sample with the folders and addresses of this test, and any free port. */
  const install = (name: string, url = '') => {
    const text = read(name)
      .replaceAll('/etc/resync-monitor/', `${folder}/`)
      .replaceAll('/var/lib/resync-monitor', folder)
      .replace(/^( *url:) .*/m, `$1 ${url}`)
      .replace(/^listen: .*/m, 'listen: { host: 127.0.0.1, port: 0 }')
    const path = join(folder, name)
    writeFileSync(path, `${text}\nmetrics: { port: 0 }\n`)
    return path
  }
  const updater = new DaemonProcess(t, ['updater', '--config', install('updater.yaml')])
  const port = await until('the updater serves XenAPI', () => /XenAPI at \S+ port (\d+)/.exec(updater.log)?.[1])
  const url = `http://127.0.0.1:${port}`
  const more = `socket: ${folder}/agent.sock\nstateDirectory: ${folder}/agent\nmachine: {}\n`
  const config = install('agent.yaml', url)
  writeFileSync(config, `${readFileSync(config, 'utf8').replace(/^machine:\n(?: .*\n)+/m, '')}${more}`)
  const agent = new DaemonProcess(t, ['agent', '--config', config])
  const session = await ask(url, 'session.login_with_password', 'root', 'secret')
  const host = await ask(url, 'host.get_by_uuid', session, '0a0a0a0a-0000-4000-8000-000000000001')
  const metrics = await ask(url, 'host.get_metrics', session, host)
  await until('the host is live', async () => (await ask(url, 'host_metrics.get_live', session, metrics)) === true)
  t.equal(await agent.end('SIGTERM'), 0)
  t.equal(await updater.end('SIGTERM'), 0)
})
