import t from 'tap'
import { AgentConfigSchema } from '../../src/agent/agent-config.ts'

const HOST = '0a0a0a0a-0000-4000-8000-00000000000a'
const SR = '5c5c5c5c-0000-4000-8000-00000000000b'

t.test('UUIDs are accepted in any case, and become lower case', async t => {
  const config = AgentConfigSchema.parse({ host: HOST.toUpperCase(), srs: [{ uuid: SR.toUpperCase() }] })
  t.match(config, { host: HOST, srs: [{ uuid: SR }] })
  const twice = AgentConfigSchema.safeParse({ host: HOST, srs: [{ uuid: SR }, { uuid: SR.toUpperCase() }] })
  t.match(twice.error?.issues, [{ path: ['srs', 1, 'uuid'], message: 'is there twice' }])
})
