import { spawn } from 'node:child_process'
import { accessSync, constants, readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'

export type Called =
  | { readonly result: unknown }
  | { readonly error: { readonly code: string; readonly params: string[] } }

/**
 * Calls the scripts of a plugin's folder exactly as xapi-storage-script does, and reads their output as strictly (xen-api
 * e2ee48d688, ocaml/xapi-storage-script/main.ml:372-616, lib.ml:16-28 and 77-88).
 */
export class StorageScript {
  readonly #folder: string
  readonly #env: Readonly<Record<string, string>>

  constructor(folder: string, env: Readonly<Record<string, string>>) {
    this.#folder = folder
    this.#env = env
  }

  /** @throws Error with what the toolstack would raise where a script breaks the contract */
  async call(method: string, params: Readonly<Record<string, unknown>>): Promise<Called> {
    const { code, stdout, stderr } = await this.#run(this.find(method), `${JSON.stringify(params)}`)
    if (stderr !== '') throw new Error(`the script wrote to stderr: ${stderr}`)
    let printed: unknown
    try {
      printed = JSON.parse(stdout)
    } catch {
      throw new Error(`SCRIPT_FAILED bad json on stdout: ${stdout}`)
    }
    if (code === 0) return { result: printed }
    if (isError(printed)) return { error: { code: printed.code, params: printed.params } }
    throw new Error(`SCRIPT_FAILED non-zero exit and bad json on stdout: ${stdout}`)
  }

  /** The executable of a method: its name in whatever case (main.ml:372-405). */
  find(method: string): string {
    const names = readdirSync(this.#folder).filter(name => name.toLowerCase() === method.toLowerCase())
    const [name] = names
    if (name === undefined || names.length > 1) throw new Error(`SCRIPT_MISSING ${method}: ${names.join(' ')}`)
    const path = join(this.#folder, name)
    if (!statSync(path).isFile()) throw new Error(`SCRIPT_MISSING ${path}`)
    accessSync(path, constants.X_OK)
    return path
  }

  /** `--json` is the only argument; the parameters are on stdin, then its end; no shell, and whatever folder it is in. */
  #run(path: string, input: string): Promise<{ code: number | null; stdout: string; stderr: string }> {
    return new Promise((resolve, reject) => {
      const child = spawn(path, ['--json'], { cwd: '/', env: this.#env })
      const out = { stdout: '', stderr: '' }
      child.stdout.setEncoding('utf8').on('data', text => {
        out.stdout += text
      })
      child.stderr.setEncoding('utf8').on('data', text => {
        out.stderr += text
      })
      child.stdin.on('error', () => undefined)
      child.stdin.end(input)
      child.on('error', reject)
      child.on('close', code => resolve({ code, ...out }))
    })
  }
}

/** All three keys, and all three of the backtrace; params are strings (lib.ml:16-28). */
function isError(value: unknown): value is { code: string; params: string[] } {
  const { code, params, backtrace } = keysOf(value)
  const { error, files, lines } = keysOf(backtrace)
  const isTexts = (list: unknown) => Array.isArray(list) && list.every(each => typeof each === 'string')
  return (
    typeof code === 'string' &&
    isTexts(params) &&
    typeof error === 'string' &&
    isTexts(files) &&
    Array.isArray(lines) &&
    lines.every(Number.isInteger)
  )
}

export function keysOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null ? Object.fromEntries(Object.entries(value)) : {}
}
