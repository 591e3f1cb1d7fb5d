import { randomUUID } from 'node:crypto'
import { epochMsOf } from '../../allowed-operations/pool/xapi-moments.ts'
import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { newMessage } from '../database/new-record.ts'
import type { ClassName, MessageRecord } from '../database/records.ts'
import { xapiDateTime } from '../database/xapi-datetime.ts'
import { ApiFailure } from './api-failure.ts'
import type { CallTable } from './call.ts'

/** Beyond this the oldest message is deleted (stock: xapi_message.ml message_limit, 10 000 on disk). */
const MAX_MESSAGES = 1_000

/** The classes that a message can be about: the words of the XenAPI enum and the class names. */
const CLASSES: Readonly<Record<'Pool' | 'Host' | 'SR', ClassName>> = { Pool: 'pool', Host: 'host', SR: 'SR' }
const MESSAGE_CLASSES = ['Pool', 'Host', 'SR'] as const satisfies readonly (keyof typeof CLASSES)[]

interface NewMessage {
  readonly name: string
  readonly priority: number
  readonly cls: keyof typeof CLASSES
  /** UUID of the object that the message is about. */
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

/** message.create, message.destroy, message.get (of one object) and message.get_since (of all objects). */
export function messageCalls(db: Database, clock: Clock): CallTable {
  // newest first, as stock xapi (xapi_message.ml get_real_inner)
  const since = (atMs: number, matches: (record: MessageRecord) => boolean) =>
    Object.fromEntries(
      db
        .list('message')
        .filter(([, record]) => matches(record) && (epochMsOf(record.timestamp) ?? 0) > atMs)
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
          cls: args.enumWord('cls', MESSAGE_CLASSES),
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
        const cls = args.enumWord('cls', MESSAGE_CLASSES)
        const objUuid = args.string('obj_uuid')
        assertUuid(db, cls, objUuid)
        return since(args.datetime('since'), record => record.cls === cls && record.obj_uuid === objUuid)
      },
    },
    'message.get_since': { parameters: 1, role: 'read-only', run: args => since(args.datetime('since'), () => true) },
  }
}

function assertUuid(db: Database, cls: keyof typeof CLASSES, uuid: string): void {
  if (db.list(CLASSES[cls]).some(([, record]) => record.uuid === uuid)) return
  throw new ApiFailure('UUID_INVALID', cls, uuid)
}
