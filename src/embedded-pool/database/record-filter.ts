import { ApiFailure } from '../calls/api-failure.ts'

/** Whether a row matches. */
type RowTest = (row: FilteredRow) => boolean

/** Returns the text of a field of a row. */
type FilteredRow = (field: string) => string

/** Deeper than real expressions, and far below the limit of the stack. */
const MAX_DEPTH = 50
/** Longer than real expressions. The expression is evaluated for every row. */
const MAX_LENGTH = 4_096
/** Longest part of a wrong expression that an error repeats. */
const MAX_ECHO_LENGTH = 200

const TOKEN = /\s*(?:([=()]|true|false|field|and|or|not)|"([^"]*)")/y

type Token = { readonly word: string } | { readonly text: string }

/**
 * Parses an expression of get_all_records_where (db_filter_lex.mll, db_filter_parse.mly): `true`, `false`, and `=` between literals
 * and `field "name"`, joined by `and`, `or` and `not`. As in stock xapi, `and` and `or` have the same precedence and are
 * left-associative, and `not` applies to everything that follows it.
 * @throws ApiFailure INTERNAL_ERROR, as stock xapi for an expression that it cannot parse
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

/** Recursive-descent parser. Each method parses the construct of its name; `null` if it is absent. */
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
