import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** The path of a program on PATH; `null`: it is not installed. */
export function findProgram(program: string): string | null {
  const candidates = (process.env.PATH ?? '').split(delimiter).map(folder => join(folder, program))
  return candidates.find(isExecutable) ?? null
}

function isExecutable(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
