#!/usr/bin/env node
/**
 * A stand-in for `drbdsetup`: a process of its own that plays streams recorded from real kernels, for trying, testing
 * and demonstrating on machines without DRBD.
 *
 *     drbdsetup.ts --stage FILE events2 [--timestamps] [--statistics] [--now]
 *
 * It prints the opening dump, then the story of the stage file (src/demo/stand-in/stage.ts) at the story's pace, with the
 * present time in place of the recorded one. When it is started later it tells what has happened before it ends
 * its dump, as the kernel would describe what is, not what was. With `--now` that is all.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { cast, parseRecording } from './recording.ts'
import { readStage, type Stage } from './stage.ts'

const LOOK_AT_STAGE_EVERY_MS = 25

async function main(args: readonly string[]): Promise<void> {
  const [flag, stagePath, command, ...options] = args
  if (flag !== '--stage' || stagePath === undefined || command !== 'events2') {
    process.stderr.write('usage: drbdsetup.ts --stage FILE events2 [--timestamps] [--statistics] [--now]\n')
    process.exitCode = 20
    return
  }
  // A real drbdsetup dies of SIGPIPE when its reader is gone.
  process.stdout.on('error', () => process.exit(0))
  const print = printer(options.includes('--timestamps'))
  let stage = readStage(stagePath)
  let played = printDump(stage, print)
  if (options.includes('--now')) return
  for (;;) {
    for (const line of linesOf(stage).filter(({ place }) => place > played)) {
      const wait = line.dueAt - Date.now()
      if (wait > 0) await sleep(wait)
      print(line.text, line.dueAt)
      played = line.place
    }
    await sleep(LOOK_AT_STAGE_EVERY_MS)
    stage = readStage(stagePath)
  }
}

type Print = (line: string, at: number) => void

/** Prints the dump with everything that has happened by now, and returns the place of the last line of that. */
function printDump(stage: Stage, print: Print): number {
  const now = Date.now()
  const { dump } = parseRecording(readFileSync(stage.dump, 'utf8'), stage.resources)
  const past = linesOf(stage).filter(({ dueAt }) => dueAt < now)
  for (const { text } of dump.slice(0, -1)) print(cast(text, stage.casting), now)
  for (const { text } of past) print(text, now)
  print('exists -', now)
  return past.at(-1)?.place ?? -1
}

interface DueLine {
  readonly text: string
  /** Rises from line to line, over all stories. */
  readonly place: number
  /** When to print it, milliseconds since 1970. */
  readonly dueAt: number
}

const MAX_LINES_OF_STORY = 1_000_000

function linesOf(stage: Stage): DueLine[] {
  return stage.stories.flatMap(({ id, recording, recordedFrom, recordedUntil, beginsAt, speed }) => {
    const { events } = parseRecording(readFileSync(recording, 'utf8'), stage.resources)
    return events
      .filter(({ at }) => at >= recordedFrom && at < recordedUntil)
      .map(({ at, text }, index) => ({
        text: paced(cast(text, stage.casting), speed),
        place: id * MAX_LINES_OF_STORY + index,
        dueAt: beginsAt + (at - recordedFrom) / speed,
      }))
  })
}

/** The kernel's estimate, in the seconds it will take here. */
function paced(line: string, speed: number): string {
  return line.replace(/ eta:(\d+)/, (_, seconds: string) => ` eta:${Math.round(Number(seconds) / speed)}`)
}

/** Lines of one kernel event share a timestamp; they keep sharing one here. */
function printer(timestamps: boolean): Print {
  return (line, at) => {
    const stamp = timestamps ? `${new Date(at).toISOString().replace('Z', '000+00:00')} ` : ''
    process.stdout.write(`${stamp}${line}\n`)
  }
}

await main(process.argv.slice(2))
