/**
 * Checks that tests run every line and branch of the folders that decide, without coverage ignores: an untested branch is a
 * state of somebody's disks that is not understood. Reads the coverage that tap has just measured.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { execa } from 'execa'

const FULLY_TESTED = ['src/sync-query/', 'src/allowed-operations/']
const ROOT = resolve(import.meta.dirname, '..')

interface Summary {
  readonly branches: { readonly total: number; readonly covered: number }
  readonly lines: { readonly total: number; readonly covered: number }
}

await execa('tap', ['report', 'json-summary'], { cwd: ROOT, preferLocal: true, reject: false, timeout: 120_000 })
const report = JSON.parse(readFileSync(join(ROOT, '.tap/report/coverage-summary.json'), 'utf8')) as Record<
  string,
  Summary
>

const complaints: string[] = []
for (const folder of FULLY_TESTED) {
  for (const name of readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' })) {
    if (!name.endsWith('.ts')) continue
    const file = join(ROOT, folder, name)
    const text = readFileSync(file, 'utf8')
    if (/(?:c8|v8|istanbul|node:coverage) ignore/.test(text)) complaints.push(`${folder}${name} ignores coverage`)
    const summary = report[file]
    if (summary === undefined) {
      // A file that only has types has nothing to run.
      if (/^export (?:async )?(?:function|const|class)/m.test(text))
        complaints.push(`${folder}${name} is run by no test`)
      continue
    }
    for (const kind of ['branches', 'lines'] as const) {
      const { total, covered } = summary[kind]
      if (covered < total) complaints.push(`${folder}${name}: ${total - covered} of ${total} ${kind} never ran`)
    }
  }
}

for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
if (complaints.length > 0) process.exitCode = 1
else process.stdout.write(`Passed: checks, tests, and full branch coverage of ${FULLY_TESTED.join(' and ')}\n`)
