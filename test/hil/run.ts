/**
 * Runs scenarios on real kernels, in virtual machines made from Debian packages:
 *
 *     npm run test:hil [-- NUMBER|WORD…]
 *
 * Without names it runs the default set, with HIL=all every scenario. Exits with 1 if one failed, and with 0 if all passed or virtual
 * machines cannot run here.
 */
import { mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { chooseAccelerator } from './accelerator.ts'
import { keepEvidence } from './evidence.ts'
import type { GuestParts } from './guest.ts'
import { makeInitramfs } from './initramfs.ts'
import { Lab } from './lab.ts'
import { CannotBoot, cacheDirectory, fetchKernel, installPackages } from './packages.ts'
import { makeProgramDisk, NODE } from './program-disk.ts'
import type { Scenario } from './scenario.ts'
import { initialFullSync } from './scenarios/01-initial-full-sync.ts'
import { cleanReboot } from './scenarios/02-clean-reboot.ts'
import { powerCutWhileWriting } from './scenarios/03-power-cut-while-writing.ts'
import { linkCutInResync } from './scenarios/04-link-cut-in-resync.ts'
import { secondRebootInResync } from './scenarios/05-second-reboot-in-resync.ts'
import { pauseAndResume } from './scenarios/06-pause-and-resume.ts'
import { onlineVerify } from './scenarios/07-online-verify.ts'
import { splitBrain } from './scenarios/08-split-brain.ts'
import { detachAndAttach } from './scenarios/09-detach-and-attach.ts'
import { moduleNotLoaded } from './scenarios/10-module-not-loaded.ts'
import { agentsKilled } from './scenarios/11-agents-killed.ts'
import { coordinatorKilled } from './scenarios/12-coordinator-killed.ts'
import { threeHostsTwoSrs } from './scenarios/13-three-hosts-two-srs.ts'
import { arrayLosesItsLeg } from './scenarios/14-array-loses-its-leg.ts'
import { arrayCheck } from './scenarios/15-array-check.ts'
import { twoRebootsAtOnce } from './scenarios/16-two-reboots-at-once.ts'
import { whatHangs } from './scenarios/17-what-hangs.ts'
import { peerMissing } from './scenarios/18-peer-missing.ts'
import { drbdConfigurationGone, mdConfigurationGone } from './scenarios/19-configuration-gone.ts'

/** Sorted by topology, so that guests boot once for each. */
const SCENARIOS: readonly Scenario[] = [
  initialFullSync,
  cleanReboot,
  powerCutWhileWriting,
  linkCutInResync,
  secondRebootInResync,
  pauseAndResume,
  onlineVerify,
  splitBrain,
  detachAndAttach,
  moduleNotLoaded,
  agentsKilled,
  coordinatorKilled,
  twoRebootsAtOnce,
  peerMissing,
  drbdConfigurationGone,
  threeHostsTwoSrs,
  arrayLosesItsLeg,
  arrayCheck,
  whatHangs,
  mdConfigurationGone,
]
/** The default set, which runs in CI. */
const DEFAULT_SET: readonly number[] = [2, 3, 5, 11, 14, 18, 19, 20]

const say = (text: string) => process.stdout.write(`${text}\n`)
const note = (text: string) => say(`# ${text}`)
const secondsSince = (began: number) => ((performance.now() - began) / 1000).toFixed(1)

function chosen(names: readonly string[]): readonly Scenario[] {
  if (names.length > 0)
    return SCENARIOS.filter(({ number, title }) =>
      names.some(name => name === String(number) || (!/^\d+$/.test(name) && title.includes(name))),
    )
  return process.env.HIL === 'all' ? SCENARIOS : SCENARIOS.filter(({ number }) => DEFAULT_SET.includes(number))
}

async function prepare(cache: string): Promise<GuestParts> {
  const began = performance.now()
  await installPackages()
  const kernel = await fetchKernel(cache)
  const initramfs = await makeInitramfs(cache, kernel, NODE)
  const programDisk = await makeProgramDisk(cache)
  const accelerator = await chooseAccelerator(kernel, initramfs)
  note(`images of Linux ${kernel.release} after ${secondsSince(began)} s; qemu ${accelerator.join(' ')}`)
  return { accelerator, vmlinuz: kernel.vmlinuz, initramfs, programDisk }
}

/** @returns whether the scenario passed */
async function runOne(scenario: Scenario, lab: Lab): Promise<boolean> {
  const began = performance.now()
  const name = `${scenario.number} - ${scenario.title}`
  try {
    await scenario.run(lab)
    say(`ok ${name} # ${secondsSince(began)} s`)
    return true
  } catch (error) {
    say(`not ok ${name} # ${secondsSince(began)} s`)
    note(String(error instanceof Error ? error.stack : error).replaceAll('\n', '\n#   '))
    await keepEvidence(lab, `failed-${scenario.number}`)
    return false
  }
}

/** Boots twice if necessary: on a very busy machine emulated guests may miss the deadline, and nothing was tested yet. */
async function bootPatiently(boot: () => Promise<Lab>): Promise<Lab> {
  try {
    return await boot()
  } catch (error) {
    note(`the guests did not boot, second attempt: ${error}`)
    return await boot()
  }
}

/** Runs all scenarios of one topology; after a failure the next one gets new guests. @returns how many failed */
async function runAll(scenarios: readonly Scenario[], boot: () => Promise<Lab>): Promise<number> {
  let lab: Lab | null = null
  let failed = 0
  for (const scenario of scenarios) {
    try {
      lab ??= await bootPatiently(boot)
      await lab.reset()
    } catch (error) {
      say(`not ok ${scenario.number} - ${scenario.title} # its guests are not ready: ${error}`)
      if (lab !== null) await keepEvidence(lab, `failed-${scenario.number}`)
      failed += 1
      await lab?.close()
      lab = null
      continue
    }
    if (await runOne(scenario, lab)) continue
    failed += 1
    await lab.close()
    lab = null
  }
  if (lab !== null) note(`at the end ${lab.memory()}`)
  await lab?.close()
  return failed
}

async function main(names: readonly string[]): Promise<number> {
  const scenarios = chosen(names)
  if (scenarios.length === 0) {
    say(
      `no such scenario; the scenarios are:\n${SCENARIOS.map(({ number, title }) => `  ${number} ${title}`).join('\n')}`,
    )
    return names.length > 0 ? 1 : 0
  }
  const cache = cacheDirectory(process.env)
  let parts: GuestParts
  try {
    parts = await prepare(cache)
  } catch (error) {
    if (!(error instanceof CannotBoot)) throw error
    say(`skipped: virtual machines cannot run here: ${error.message}`)
    return 0
  }
  mkdirSync(join(cache, 'runs'), { recursive: true })
  const directory = mkdtempSync(join(cache, 'runs', `${new Date().toISOString().replace(/\D/g, '').slice(0, 14)}-`))
  const began = performance.now()
  let failed = 0
  let labs = 0
  for (const [topology, group] of Map.groupBy(scenarios, each => each.topology))
    failed += await runAll(group, () => {
      labs += 1
      note(`${topology.name}: booting ${topology.hosts.join(', ')}`)
      return Lab.boot(parts, topology, join(directory, `${labs}-${topology.name}`), note)
    })
  say(`1..${scenarios.length}`)
  note(`${scenarios.length - failed} of ${scenarios.length} in ${secondsSince(began)} s`)
  if (failed === 0) rmSync(directory, { recursive: true })
  else {
    for (const file of readdirSync(directory, { recursive: true, encoding: 'utf8' }))
      if (file.endsWith('.img')) rmSync(join(directory, file))
    note(`logs, streams and reports: ${directory}`)
  }
  return failed === 0 ? 0 : 1
}

// Guests are children of this process and must not outlive it.
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(130))
// A failed scenario may have left a monitor behind that would never end.
process.exit(await main(process.argv.slice(2)))
