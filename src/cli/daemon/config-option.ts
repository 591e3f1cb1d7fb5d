import { resolve } from 'node:path'
import { type Options, UsageError } from '../terminal.ts'

/** The file that `--config` names, or the usual one. @throws UsageError */
export function configFile(options: Options, usual: string): string {
  const [surplus] = options.operands
  if (surplus !== undefined) throw new UsageError(`'${surplus}' is not expected here`)
  return resolve(options.text('config') ?? usual)
}
