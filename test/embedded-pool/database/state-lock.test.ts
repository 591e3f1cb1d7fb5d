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

t.test('a second pool on a state file is refused, and the writes of the first one stay', async t => {
  const stateFile = join(folder, 'one')
  const { pool, url } = await servedPool(t, { stateFile })
  const host = firstOf(pool.seed(['a']).hosts).ref
  await pool.saved()
  t.throws(() => poolAt(stateFile), {
    name: 'StateFileError',
    path: stateFile,
    message: `state file ${stateFile}: process ${process.pid} uses it (${stateFile}.lock)`,
  })
  t.equal(await ask(url, 'host.set_name_label', await login(url), host, 'acknowledged'), '')
  t.match(readFileSync(stateFile, 'utf8'), /acknowledged/)
  await pool.close()
  t.notOk(existsSync(`${stateFile}.lock`))
  const next = poolAt(stateFile)
  t.equal(next.get('host', host)?.name_label, 'acknowledged')
  await pool.close()
  t.throws(
    () => poolAt(stateFile),
    { name: 'StateFileError' },
    'a second close of the first pool does not release the lock of the next',
  )
  await next.close()
})

t.test(
  'the error names the process that uses the file; when that process is killed the file is free immediately',
  async t => {
    const stateFile = join(folder, 'other')
    const child = execa('node', [join(import.meta.dirname, 'pool-with-state-file.ts'), stateFile], { reject: false })
    await once(child.stdout, 'data')
    t.throws(() => poolAt(stateFile), { message: new RegExp(`process ${child.pid} uses it`) })
    child.kill('SIGKILL')
    await child
    const pool = poolAt(stateFile)
    t.equal(pool.list('host').length, 2)
    await pool.close()
  },
)

t.test('without a list of running processes the file cannot be locked, and the pool does not start', t => {
  t.throws(() => poolAt(join(folder, 'blind'), { procDirectory: join(folder, 'no proc') }), {
    name: 'StateFileError',
    message: /does not exist/,
  })
  t.end()
})

t.test('a pool that cannot listen writes nothing', async t => {
  const { port } = await servedPool(t)
  const stateFile = join(folder, 'deaf')
  const pool = poolAt(stateFile)
  pool.seed(['a'])
  await t.rejects(pool.listen({ port }), { code: 'EADDRINUSE' })
  t.notOk(existsSync(stateFile))
  await pool.close()
})
