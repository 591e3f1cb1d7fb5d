import { writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import t from 'tap'

const ROOT = resolve(import.meta.dirname, '..')

t.test('the bundle for hosts runs where there is nothing of this project but plugin.json', async t => {
  const folder = t.testdir({ 'plugin.json': t.fixture('symlink', join(ROOT, 'plugin.json')) })
  const program = join(folder, 'dist/program')
  await execa('node', [join(ROOT, 'scripts/bundle.ts'), program], { cwd: ROOT, preferLocal: true })
  const run = (...args: string[]) =>
    execa(process.execPath, [join(program, 'resync-monitor.js'), ...args], {
      cwd: folder,
      reject: false,
      timeout: 60_000,
    })

  t.match(await run('--help'), { exitCode: 0, stdout: /agent.*\n.*updater/ })
  const file = join(folder, 'agent.yaml')
  writeFileSync(file, 'host: nobody\n')
  t.match(await run('agent', '--config', file), { exitCode: 65, stderr: /agent.yaml:1:.* host: must be a UUID/ })
  const dump = join(ROOT, 'test/fixtures/drbd84')
  t.match(await run('inspect', '--format', 'proc-drbd', join(dump, 'none')), { exitCode: 66 })
})
