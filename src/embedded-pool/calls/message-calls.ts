import { randomUUID } from 'node:crypto'
import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { newMessage } from '../database/new-record.ts'
import type { ClassName, MessageRecord } from '../database/records.ts'
import { epochMsOf, xapiDateTime } from '../database/xapi-datetime.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'

/** The oldest message makes room beyond this (stock: xapi_message.ml message_limit, 10 000 on disk). */
const MAX_MESSAGES = 1_000

/** What a message can be about here, in the words of XenAPI's enum. */
const CLASSES: Readonly<Record<'Pool' | 'Host' | 'SR', ClassName>> = { Pool: 'pool', Host: 'host', SR: 'SR' }
const MESSAGE_CLASSES = ['Pool', 'Host', 'SR'] as const satisfies readonly (keyof typeof CLASSES)[]

interface NewMessage {
  readonly name: string
  readonly priority: number
  readonly cls: keyof typeof CLASSES
  /** UUID of the object it is about. */
  readonly objUuid: string
  readonly body: string
}

/** Adds a message and returns its ref. @throws ApiFailure UUID_INVALID */
function createMessage(db: Database, nowMs: number, { name, priority, cls, objUuid, body }: NewMessage): string {
  assertUuid(db, cls, objUuid)
  const oldest = db.oldest('message')
  if (oldest !== undefined && db.count('message') >= MAX_MESSAGES) db.delete('message', oldest)
  const timestamp = xapiDateTime(nowMs)
  return db.create(
    'message',
    newMessage({ uuid: randomUUID(), name, priority, cls, obj_uuid: objUuid, timestamp, body }),
  )
}

/** message.create and message.destroy, and what is newer than a moment: of one object, or of all. */
export function messageCalls(db: Database, clock: Clock): CallTable {
  // the newest first, as stock (xapi_message.ml get_real_inner)
  const since = (atMs: number, isAsked: (record: MessageRecord) => boolean) =>
    Object.fromEntries(
      db
        .list('message')
        .filter(([, record]) => isAsked(record) && (epochMsOf(record.timestamp) ?? 0) > atMs)
        .toReversed(),
    )
  return {
    'message.create': {
      parameters: 5,
      role: 'pool-operator',
      durable: true,
      run: args =>
        createMessage(db, clock.now(), {
          name: args.string('name'),
          priority: args.integer('priority'),
          cls: args.word('cls', MESSAGE_CLASSES),
          objUuid: args.string('obj_uuid'),
          body: args.string('body'),
        }),
    },
    'message.destroy': {
      parameters: 1,
      role: 'pool-operator',
      durable: true,
      run: args => void db.delete('message', args.ref('message')),
    },
    'message.get': {
      parameters: 3,
      role: 'read-only',
      run: args => {
        const cls = args.word('cls', MESSAGE_CLASSES)
        const objUuid = args.string('obj_uuid')
        assertUuid(db, cls, objUuid)
        return since(args.moment('since'), record => record.cls === cls && record.obj_uuid === objUuid)
      },
    },
    'message.get_since': { parameters: 1, role: 'read-only', run: args => since(args.moment('since'), () => true) },
  }
}

function assertUuid(db: Database, cls: keyof typeof CLASSES, uuid: string): void {
  if (db.list(CLASSES[cls]).some(([, record]) => record.uuid === uuid)) return
  throw new ApiFailure('UUID_INVALID', cls, uuid)
}
