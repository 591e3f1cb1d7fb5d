import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { readHostBoot } from '../../src/agent/host-boot.ts'

const BOOT = { id: 'b0b0b0b0-0000-4000-8000-000000000001' }

t.test('the boot has an id, and a first number that rises over restarts of the daemon', async t => {
  const root = t.testdir({})
  await t.rejects(readHostBoot(root), { code: 'ENOENT' })
  mkdirSync(join(root, 'proc/sys/kernel/random'), { recursive: true })
  const write = (bootId: string, uptime: string) => {
    writeFileSync(join(root, 'proc/sys/kernel/random/boot_id'), bootId)
    writeFileSync(join(root, 'proc/uptime'), uptime)
  }
  write(`${BOOT.id}\n`, '350735.47 234388.90\n')
  t.strictSame(await readHostBoot(root), { id: BOOT.id, firstSeq: 350_735_470 })
  write('no boot id', '1.0 1.0\n')
  await t.rejects(readHostBoot(root), /boot id/)
  write(BOOT.id, 'long\n')
  await t.rejects(readHostBoot(root), /seconds/)
})
