import { ApiFailure } from '../calls/api-failure.ts'

/** Up to which generation a client has seen the database and, apart from it, the messages. */
export interface EventPosition {
  readonly database: number
  readonly messages: number
}

const START: EventPosition = { database: 0, messages: 0 }

/** Stock's form, `%020Ld,%020Ld` (xapi_event.ml:46-49). Opaque to clients. */
export function formatToken(position: EventPosition): string {
  return `${digits(position.database)},${digits(position.messages)}`
}

/** `''` is the start. @throws ApiFailure EVENT_FROM_TOKEN_PARSE_FAILURE */
export function parseToken(token: string): EventPosition {
  if (token === '') return START
  const [, database, messages] = /^(\d{1,20}),(\d{1,20})$/.exec(token) ?? []
  if (database === undefined || messages === undefined) throw new ApiFailure('EVENT_FROM_TOKEN_PARSE_FAILURE', token)
  return { database: generation(database), messages: generation(messages) }
}

function digits(value: number): string {
  return String(value).padStart(20, '0')
}

/** A token of another pool may be larger than a number can hold exactly; it is above everything here all the same. */
function generation(text: string): number {
  return Math.min(Number(text), Number.MAX_SAFE_INTEGER)
}
