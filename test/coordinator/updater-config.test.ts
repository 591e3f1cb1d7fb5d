import t from 'tap'
import { UpdaterConfigSchema } from '../../src/coordinator/updater-config.ts'

const HOST = '0a0a0a0a-0000-4000-8000-00000000000a'
const SR = '5c5c5c5c-0000-4000-8000-00000000000b'
const users = [{ name: 'root', passwordFile: '/etc/password' }]
const host = (uuid: string) => ({ uuid, hostname: 'hostA', agent: '/run/agent.sock' })

t.test('UUIDs may have upper-case letters and are stored in lower case', async t => {
  const srs = [{ uuid: SR.toUpperCase(), hosts: [HOST.toUpperCase()] }]
  const config = UpdaterConfigSchema.parse({ users, hosts: [host(HOST)], srs })
  t.match(config, { hosts: [{ uuid: HOST }], srs: [{ uuid: SR, hosts: [HOST] }] })
  const twice = UpdaterConfigSchema.safeParse({ users, hosts: [host(HOST), host(HOST.toUpperCase())] })
  t.match(twice.error?.issues, [{ path: ['hosts', 1, 'uuid'], message: 'is there twice' }])
})
