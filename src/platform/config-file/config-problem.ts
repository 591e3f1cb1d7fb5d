/** What is wrong with a configuration file, and where. */
export interface ConfigProblem {
  readonly file: string
  /** From 1; 1 where the whole file is meant. */
  readonly line: number
  /** The key it is about, as `srs[0].drbd`; `''`: the whole file. */
  readonly key: string
  readonly text: string
}

/** `FILE:LINE: KEY: TEXT`, as compilers write it, so that editors can jump there. */
export function describeConfigProblem({ file, line, key, text }: ConfigProblem): string {
  return `${file}:${line}: ${key === '' ? '' : `${key}: `}${text}`
}
