/** One statement of a DRBD configuration: `WORD…;` or `WORD… { STATEMENT… }`. */
export interface Statement {
  readonly words: readonly string[]
  /** `null`: it has no section. */
  readonly section: readonly Statement[] | null
  /** The text ends inside its section. */
  readonly isCut: boolean
}

export interface ParsedStatements {
  readonly statements: readonly Statement[]
  /** The text ends inside a section or a statement. */
  readonly isCut: boolean
  /** Why drbdadm refuses to read the text, in a few words; `null`: its braces and quotes match. */
  readonly fault: string | null
}

interface OpenStatement {
  readonly words: readonly string[]
  readonly section: Statement[]
  /** It begins with `skip`: all that stands in it is passed over. */
  readonly isSkipped: boolean
}

/** A comment, a quoted string (in which `\` quotes the next character), a brace or semicolon, a word, or a lone quote. */
const TOKEN = /#[^\n]*|"(?:[^"\\\n]|\\[^\n])*"|[{};]|[^\s{};#"]+|"/g

/**
 * Splits the text of a DRBD configuration (drbd.conf(5)) into statements. `skip` passes over everything up to the end of the
 * next section, semicolons included, as drbdadm does (parse_skip in drbdadm_parser.c). Takes time in proportion to the text,
 * however deep sections are nested.
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
      if (open.length === 0) fault ??= 'it closes a section that it does not open'
      close(false)
    } else if (token === '"') fault ??= 'a quoted string does not end in its line'
    else words.push(first === '"' ? token.slice(1, -1).replace(/\\(.)/g, '$1') : token)
  }
  const isCut = open.length > 0 || words.length > 0
  // What was begun counts as far as it was written.
  if (words.length > 0 && open.length > 0) end(null, words, true)
  while (open.length > 0) close(true)
  return { statements, isCut, fault }
}
