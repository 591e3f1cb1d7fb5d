import { join } from 'node:path'
import t from 'tap'
import { SR, URI } from './plugin-under-test.ts'
import { answeringScripts, failure, pathWith, run, SCRIPTS, start, XAPI_PLUGIN } from './run-script.ts'

const SCRIPT = join(SCRIPTS, 'Plugin.ls')
const CALL = '<methodCall><methodName>status</methodName></methodCall>'

t.test('stdin that is closed, empty, or without an end', async t => {
  const { env, host } = await answeringScripts(t)
  const node = { ...env, PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  const noArguments = { code: 'SR_BACKEND_FAILURE', params: ['', /the arguments of a call are one JSON object/, ''] }
  for (const client of [env, node]) {
    t.match(failure(t, await start([SCRIPT, '--json'], '', client)), noArguments)
    t.match(failure(t, await start(['/bin/sh', '-c', '"$0" --json <&-', SCRIPT], '', client)), noArguments, 'closed')
    const late = { ...client, RESYNC_MONITOR_TIMEOUT_SECONDS: '0.3' }
    t.match(failure(t, await start([SCRIPT, '--json'], null, late)), { params: ['', /within 0.3 seconds/, String] })
    const closed = await start(['/bin/sh', '-c', '"$0" "$1" <&-', XAPI_PLUGIN, CALL], '', {
      RESYNC_MONITOR_CLIENT: join(SCRIPTS, 'client.mjs'),
      ...client,
    })
    t.match(closed, { code: 0, stdout: /<value>Success</ }, 'which reads none')
  }
  t.strictSame(host.bugs, [])
})

t.test('the time limit is a positive number', async t => {
  const { env } = await answeringScripts(t)
  const withLimit = (seconds: string) => ({ ...env, RESYNC_MONITOR_TIMEOUT_SECONDS: seconds })
  const node = { PATH: pathWith(t, {}), RESYNC_MONITOR_NODE: process.execPath }
  for (const wrong of ['0', '0.0', '0.0001', '.', '.5', '5.', '1.2.3', '"1"', '-1', '1e3', ' 1', '1s', '08', 'x']) {
    const why = /RESYNC_MONITOR_TIMEOUT_SECONDS must be a positive number/
    t.match(failure(t, await run('Plugin.ls', {}, withLimit(wrong))), { params: ['', why, String] }, wrong)
    t.match(await start([XAPI_PLUGIN, CALL], '', withLimit(wrong)), { code: 0, stdout: why }, wrong)
  }
  for (const right of ['20', '20.125', '0.999', '86401', '99999999999999999999999', '']) {
    t.match(await run('Plugin.ls', {}, withLimit(right)), { code: 0 }, right)
    t.match(await run('Plugin.ls', {}, { ...withLimit(right), ...node }), { code: 0 }, `${right} for node`)
    t.match(await start([XAPI_PLUGIN, CALL], '', withLimit(right)), { stdout: /<value>Success</ }, right)
  }
  t.match(failure(t, await run('SR.stat', { sr: URI }, env)), { params: [SR] })
})
