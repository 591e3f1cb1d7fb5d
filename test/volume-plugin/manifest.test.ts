import { cpSync, symlinkSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { execa } from 'execa'
import t from 'tap'
import { folderOf, MANIFEST } from './plugin-under-test.ts'

t.test('plugin.json is found in any folder where the program is installed', async t => {
  const folder = join(folderOf(t), 'a folder, 100 %41 #new')
  for (const path of ['plugin.json', 'package.json', 'src']) {
    cpSync(resolve(import.meta.dirname, '../..', path), join(folder, path), { recursive: true })
  }
  symlinkSync(resolve(import.meta.dirname, '../../node_modules'), join(folder, 'node_modules'))
  const module = pathToFileURL(join(folder, 'src/volume-plugin/manifest.ts')).href
  const program = `import { readManifest } from ${JSON.stringify(module)}; console.log(JSON.stringify(await readManifest()))`
  const { stdout } = await execa(process.execPath, ['--input-type=module', '-e', program])
  t.strictSame(JSON.parse(stdout), MANIFEST)
})
