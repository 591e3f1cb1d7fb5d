import { ApiFailure } from '../calls/api-failure.ts'

/** Whether a row is meant. */
type RowTest = (row: FilteredRow) => boolean

/** What an expression can ask of a row: the text of a field. */
type FilteredRow = (field: string) => string

/** Deeper than anybody writes, and far from what a stack holds. */
const MAX_DEPTH = 50
/** Longer than anybody writes: it is compared with every row. */
const MAX_LENGTH = 4_096
/** What is echoed of a wrong expression. */
const MAX_ECHO_LENGTH = 200

const TOKEN = /\s*(?:([=()]|true|false|field|and|or|not)|"([^"]*)")/y

type Token = { readonly word: string } | { readonly text: string }

/**
 * The expressions of get_all_records_where (db_filter_lex.mll, db_filter_parse.mly): `true`, `false`, and `=` between literals
 * and `field "name"`, joined by `and`, `or` and `not`. As there, `and` and `or` bind alike, from the left, and `not` is said of
 * all that follows it.
 * @throws ApiFailure INTERNAL_ERROR, as stock says of what it cannot parse
 */
export function parseFilter(expression: string): RowTest {
  if (expression.length > MAX_LENGTH) throw unparsable(expression)
  const tokens = tokensOf(expression)
  if (tokens === null) throw unparsable(expression)
  const parser = new Parser(tokens)
  const test = parser.expression(0)
  if (test === null || !parser.isAtEnd) throw unparsable(expression)
  return test
}

/** Each reads what it is named for; `null`: it is not there. */
class Parser {
  readonly #tokens: readonly Token[]
  #next = 0

  constructor(tokens: readonly Token[]) {
    this.#tokens = tokens
  }

  get isAtEnd(): boolean {
    return this.#next === this.#tokens.length
  }

  expression(depth: number): RowTest | null {
    let left = this.#term(depth + 1)
    for (;;) {
      const isAnd = this.#word('and')
      if (left === null || !(isAnd || this.#word('or'))) return left
      const [before, after] = [left, this.#term(depth + 1)]
      if (after === null) return null
      left = isAnd ? row => before(row) && after(row) : row => before(row) || after(row)
    }
  }

  #term(depth: number): RowTest | null {
    if (depth > MAX_DEPTH) return null
    if (this.#word('true')) return () => true
    if (this.#word('false')) return () => false
    if (this.#word('not')) {
      const denied = this.expression(depth)
      return denied === null ? null : row => !denied(row)
    }
    if (this.#word('(')) {
      const inner = this.expression(depth)
      return this.#word(')') ? inner : null
    }
    const left = this.#value()
    const right = left !== null && this.#word('=') ? this.#value() : null
    return left === null || right === null ? null : row => left(row) === right(row)
  }

  #value(): ((row: FilteredRow) => string) | null {
    const isField = this.#word('field')
    const token = this.#tokens[this.#next]
    if (token === undefined || !('text' in token)) return null
    this.#next += 1
    return isField ? row => row(token.text) : () => token.text
  }

  #word(word: string): boolean {
    const token = this.#tokens[this.#next]
    const isIt = token !== undefined && 'word' in token && token.word === word
    if (isIt) this.#next += 1
    return isIt
  }
}

function tokensOf(expression: string): readonly Token[] | null {
  const tokens: Token[] = []
  const text = expression.trimEnd()
  TOKEN.lastIndex = 0
  while (TOKEN.lastIndex < text.length) {
    const [, word, quoted] = TOKEN.exec(text) ?? []
    if (word !== undefined) tokens.push({ word })
    else if (quoted !== undefined) tokens.push({ text: quoted })
    else return null
  }
  return tokens
}

function unparsable(expression: string): ApiFailure {
  const echoed = JSON.stringify(expression.slice(0, MAX_ECHO_LENGTH))
  return new ApiFailure('INTERNAL_ERROR', `Db_filter.Expression_error(${echoed}, Parsing.Parse_error)`)
}
