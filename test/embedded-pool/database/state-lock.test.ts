import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { EmbeddedPool } from '../../../src/embedded-pool/embedded-pool.ts'
import { machineClock } from '../../../src/platform/time/clock.ts'
import { ask, firstOf, login, oneAtATime, patientMachines, servedPool } from '../pool-under-test.ts'

const folder = mkdtempSync(join(tmpdir(), 'pool-lock-'))
t.teardown(() => rmSync(folder, { recursive: true }))

function poolAt(stateFile: string, options: { readonly procDirectory?: string } = {}) {
  return new EmbeddedPool({
    clock: machineClock,
    gate: oneAtATime,
    machines: patientMachines,
    authenticate: () => true,
    stateFile,
    ...options,
  })
}

t.test('a second pool on one state file is refused, and what the first acknowledges stays', async t => {
  const stateFile = join(folder, 'one')
  const { pool, url } = await servedPool(t, { stateFile })
  const host = firstOf(pool.seed(['a']).hosts).ref
  await pool.saved()
  t.throws(() => poolAt(stateFile), {
    name: 'StateFileError',
    path: stateFile,
    message: `state file ${stateFile}: process ${process.pid} keeps its pool there (${stateFile}.lock)`,
  })
  t.equal(await ask(url, 'host.set_name_label', await login(url), host, 'acknowledged'), '')
  t.match(readFileSync(stateFile, 'utf8'), /acknowledged/)
  await pool.close()
  t.notOk(existsSync(`${stateFile}.lock`))
  const next = poolAt(stateFile)
  t.equal(next.get('host', host)?.name_label, 'acknowledged')
  await pool.close()
  t.throws(() => poolAt(stateFile), { name: 'StateFileError' }, 'closed twice, the first takes nothing from the next')
  await next.close()
})

t.test('a pool in another process is named, and killed it leaves its file at once', async t => {
  const stateFile = join(folder, 'other')
  const child = execa('node', [join(import.meta.dirname, 'pool-with-state-file.ts'), stateFile], { reject: false })
  await once(child.stdout, 'data')
  t.throws(() => poolAt(stateFile), { message: new RegExp(`process ${child.pid} keeps its pool there`) })
  child.kill('SIGKILL')
  await child
  const pool = poolAt(stateFile)
  t.equal(pool.list('host').length, 2)
  await pool.close()
})

t.test('without a way to see who runs there is no lock, and so no pool', t => {
  t.throws(() => poolAt(join(folder, 'blind'), { procDirectory: join(folder, 'no proc') }), {
    name: 'StateFileError',
    message: /does not exist/,
  })
  t.end()
})

t.test('a pool that cannot listen has written nothing by then', async t => {
  const { port } = await servedPool(t)
  const stateFile = join(folder, 'deaf')
  const pool = poolAt(stateFile)
  pool.seed(['a'])
  await t.rejects(pool.listen({ port }), { code: 'EADDRINUSE' })
  t.notOk(existsSync(stateFile))
  await pool.close()
})
