#!/usr/bin/env node
/**
 * Simulates `drbdsetup`: a process that plays streams recorded from real kernels, for the demo and for tests on machines without
 * DRBD.
 *
 *     drbdsetup.ts --playback FILE events2 [--timestamps] [--statistics] [--now]
 *
 * It prints the initial dump, then the parts of the playback file (playback.ts) at their speed, with the present time in place of
 * the recorded time. Events that are already over when it starts belong to its initial dump, because the kernel describes the
 * present state. With `--now` it ends after the dump.
 */
import { readFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Playback, readPlayback } from './playback.ts'
import { parseRecording, replaceHost } from './recording.ts'

const READ_PLAYBACK_EVERY_MS = 25

async function main(args: readonly string[]): Promise<void> {
  const [flag, path, command, ...options] = args
  if (flag !== '--playback' || path === undefined || command !== 'events2') {
    process.stderr.write('usage: drbdsetup.ts --playback FILE events2 [--timestamps] [--statistics] [--now]\n')
    process.exitCode = 20
    return
  }
  // A real drbdsetup ends with SIGPIPE when its reader has closed the pipe.
  process.stdout.on('error', () => process.exit(0))
  const print = printer(options.includes('--timestamps'))
  let playback = readPlayback(path)
  let played = printDump(playback, print)
  if (options.includes('--now')) return
  for (;;) {
    for (const line of linesOf(playback).filter(({ place }) => place > played)) {
      const wait = line.dueAt - Date.now()
      if (wait > 0) await sleep(wait)
      print(line.text, line.dueAt)
      played = line.place
    }
    await sleep(READ_PLAYBACK_EVERY_MS)
    playback = readPlayback(path)
  }
}

type Print = (line: string, at: number) => void

/** Prints the initial dump, which includes the events until now. Returns the place of the last of them; -1: none. */
function printDump(playback: Playback, print: Print): number {
  const now = Date.now()
  const { dump } = parseRecording(readFileSync(playback.dump, 'utf8'), playback.resources)
  const past = linesOf(playback).filter(({ dueAt }) => dueAt < now)
  for (const { text } of dump.slice(0, -1)) print(replaceHost(text, playback.mapping), now)
  for (const { text } of past) print(text, now)
  print('exists -', now)
  return past.at(-1)?.place ?? -1
}

interface DueLine {
  readonly text: string
  /** Rises from line to line, over all parts. */
  readonly place: number
  /** When to print it, milliseconds since 1970. */
  readonly dueAt: number
}

const MAX_LINES_OF_PART = 1_000_000

function linesOf(playback: Playback): DueLine[] {
  return playback.parts.flatMap(({ id, recording, recordedFrom, recordedUntil, beginsAt, speed }) => {
    const { events } = parseRecording(readFileSync(recording, 'utf8'), playback.resources)
    return events
      .filter(({ at }) => at >= recordedFrom && at < recordedUntil)
      .map(({ at, text }, index) => ({
        text: paced(replaceHost(text, playback.mapping), speed),
        place: id * MAX_LINES_OF_PART + index,
        dueAt: beginsAt + (at - recordedFrom) / speed,
      }))
  })
}

/** Divides the kernel's estimate by the speed. */
function paced(line: string, speed: number): string {
  return line.replace(/ eta:(\d+)/, (_, seconds: string) => ` eta:${Math.round(Number(seconds) / speed)}`)
}

/** Lines of one kernel event share a timestamp in the recording, and so in the output. */
function printer(timestamps: boolean): Print {
  return (line, at) => {
    const stamp = timestamps ? `${new Date(at).toISOString().replace('Z', '000+00:00')} ` : ''
    process.stdout.write(`${stamp}${line}\n`)
  }
}

await main(process.argv.slice(2))
