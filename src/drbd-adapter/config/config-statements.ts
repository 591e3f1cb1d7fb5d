/** One statement of a DRBD configuration: `WORD…;` or `WORD… { STATEMENT… }`. */
export interface Statement {
  readonly words: readonly string[]
  /** `null`: the statement has no section. */
  readonly section: readonly Statement[] | null
  /** The text ends inside its section. */
  readonly isCut: boolean
}

export interface ParsedStatements {
  readonly statements: readonly Statement[]
  /** The text ends inside a section or a statement. */
  readonly isCut: boolean
  /** Why drbdadm rejects the text, in a few words; `null`: its braces and quotes match. */
  readonly fault: string | null
}

interface OpenStatement {
  readonly words: readonly string[]
  readonly section: Statement[]
  /** It begins with `skip`: its content is ignored. */
  readonly isSkipped: boolean
}

/** A comment, a quoted string (in which `\` quotes the next character), a brace or semicolon, a word, or a lone quote. */
const TOKEN = /#[^\n]*|"(?:[^"\\\n]|\\[^\n])*"|[{};]|[^\s{};#"]+|"/g

/**
 * Splits the text of a DRBD configuration (drbd.conf(5)) into statements. `skip` ignores everything up to the end of the next
 * section, including semicolons, as in drbdadm (parse_skip in drbdadm_parser.c). The time is linear in the text, however deep the
 * sections are nested.
 */
export function parseStatements(text: string): ParsedStatements {
  const statements: Statement[] = []
  const open: OpenStatement[] = []
  let into = statements
  let words: string[] = []
  let fault: string | null = null
  const end = (section: Statement[] | null, ended: readonly string[], isCut: boolean) => {
    into.push({ words: ended, section, isCut })
  }
  const close = (isCut: boolean): void => {
    const closed = open.pop()
    if (closed === undefined) return
    into = open.at(-1)?.section ?? statements
    if (!closed.isSkipped) end(closed.section, closed.words, isCut)
  }
  for (const [token] of text.matchAll(TOKEN)) {
    const first = token[0]
    if (first === '#') continue
    if (token === ';') {
      if (words[0] === 'skip') continue
      if (words.length > 0) end(null, words, false)
      words = []
    } else if (token === '{') {
      const section: Statement[] = []
      open.push({ words, section, isSkipped: words[0] === 'skip' })
      into = section
      words = []
    } else if (token === '}') {
      if (words.length > 0) end(null, words, false)
      words = []
      if (open.length === 0) fault ??= 'a closing brace has no opening brace'
      close(false)
    } else if (token === '"') fault ??= 'a quoted string does not end in its line'
    else words.push(first === '"' ? token.slice(1, -1).replace(/\\(.)/g, '$1') : token)
  }
  const isCut = open.length > 0 || words.length > 0
  // A truncated statement counts as far as it is written.
  if (words.length > 0 && open.length > 0) end(null, words, true)
  while (open.length > 0) close(true)
  return { statements, isCut, fault }
}
