/**
 * A simulated drbdsetup for tests that runs a script:
 *
 *     scripted-drbdsetup.ts FOLDER events2 [--now] …
 *
 * FOLDER/script.json (`Script` in scripted-host.ts) is read at each start, so a test can change the behaviour between two
 * starts. Every start appends a line to FOLDER/starts.txt: the process id and the arguments.
 */
import { once } from 'node:events'
import { appendFileSync, existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Script, Step } from './scripted-host.ts'

const [folder = '', ...options] = process.argv.slice(2)
appendFileSync(join(folder, 'starts.txt'), `${process.pid} ${options.join(' ')}\n`)
process.stdout.on('error', () => process.exit(0))
const script: Script = JSON.parse(readFileSync(join(folder, 'script.json'), 'utf8'))
for (const step of options.includes('--now') ? script.now : script.events) await play(step)

async function play(step: Step): Promise<void> {
  if ('print' in step) await print(step.print)
  else if ('file' in step) await print(readFileSync(step.file, 'utf8'))
  else if ('complain' in step) process.stderr.write(`${step.complain}\n`)
  else if ('await' in step) while (!existsSync(join(folder, step.await))) await sleep(2)
  else if ('repeat' in step) for (let times = 0; times < step.times; times += 1) await print(step.repeat)
  else if ('mark' in step) appendFileSync(join(folder, step.mark), '.')
  else if ('exit' in step) process.exit(step.exit)
  else if ('die' in step) {
    process.kill(process.pid, step.die)
    await sleep(60_000)
  } else if (step.hang === 'deaf') {
    process.on('SIGTERM', () => undefined)
    await print(step.after ?? '')
    await sleep(600_000)
  } else await sleep(600_000)
}

async function print(text: string): Promise<void> {
  if (!process.stdout.write(text)) await once(process.stdout, 'drain')
}
