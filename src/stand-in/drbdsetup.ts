#!/usr/bin/env node
/**
 * A stand-in for `drbdsetup`: a process of its own that plays streams recorded from real kernels, for trying, testing
 * and demonstrating on machines without DRBD.
 *
 *     drbdsetup.ts --stage FILE events2 [--timestamps] [--statistics]
 *
 * It prints the opening dump, then the story of the stage file (src/stand-in/stage.ts) at the story's pace, with the
 * present time in place of the recorded one. When it is started in the middle of a story it catches up before it ends
 * its dump, as the kernel would describe what is, not what was.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { cast, parseRecording, type RecordedLine } from './recording.ts'
import { readStage, type Stage, type Story } from './stage.ts'

const LOOK_AT_STAGE_EVERY_MS = 25

async function main(args: readonly string[]): Promise<void> {
  const [flag, stagePath, command, ...options] = args
  if (flag !== '--stage' || stagePath === undefined || command !== 'events2') {
    process.stderr.write('usage: drbdsetup.ts --stage FILE events2 [--timestamps] [--statistics]\n')
    process.exitCode = 20
    return
  }
  // A real drbdsetup dies of SIGPIPE when its reader is gone.
  process.stdout.on('error', () => process.exit(0))
  const print = printer(options.includes('--timestamps'))
  let stage = readStage(stagePath)
  const played = printDump(stage, print)
  let storyId = stage.story?.id ?? -1
  if (stage.story !== null) await play(stage, stage.story, played, print)
  for (;;) {
    await sleep(LOOK_AT_STAGE_EVERY_MS)
    stage = readStage(stagePath)
    if (stage.story === null || stage.story.id === storyId) continue
    storyId = stage.story.id
    await play(stage, stage.story, 0, print)
  }
}

type Print = (line: string, at: number) => void

/** Prints the dump; returns how many events of a story in progress went into it. */
function printDump(stage: Stage, print: Print): number {
  const now = Date.now()
  const { dump } = parseRecording(readFileSync(stage.dump, 'utf8'), stage.resources)
  const past = stage.story === null ? [] : eventsOf(stage, stage.story).filter(({ dueAt }) => dueAt < now)
  for (const { text } of dump.slice(0, -1)) print(cast(text, stage.casting), now)
  for (const { text } of past) print(cast(text, stage.casting), now)
  print('exists -', now)
  return past.length
}

async function play(stage: Stage, story: Story, from: number, print: Print): Promise<void> {
  for (const { text, dueAt } of eventsOf(stage, story).slice(from)) {
    const wait = dueAt - Date.now()
    if (wait > 0) await sleep(wait)
    print(cast(text, stage.casting), dueAt)
  }
}

function eventsOf(stage: Stage, story: Story): { text: string; dueAt: number }[] {
  const { events } = parseRecording(readFileSync(story.recording, 'utf8'), stage.resources)
  const due = ({ at }: RecordedLine) => story.beginsAt + (at - story.recordedFrom) / story.speed
  return events.filter(({ at }) => at >= story.recordedFrom).map(line => ({ text: line.text, dueAt: due(line) }))
}

/** Lines of one kernel event share a timestamp; they keep sharing one here. */
function printer(timestamps: boolean): Print {
  return (line, at) => {
    const stamp = timestamps ? `${new Date(at).toISOString().replace('Z', '000+00:00')} ` : ''
    process.stdout.write(`${stamp}${line}\n`)
  }
}

await main(process.argv.slice(2))
