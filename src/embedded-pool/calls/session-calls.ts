import type { Clock } from '../../platform/time/clock.ts'
import type { Database } from '../database/database.ts'
import { NULL_REF } from '../database/records.ts'
import { xapiDateTime } from '../database/xapi-datetime.ts'
import type { Sessions } from '../sessions/sessions.ts'
import { handleInvalid } from './api-failure.ts'
import type { Arguments, CallContext, CallTable } from './call.ts'
import { permissionsOf } from './role-calls.ts'

/**
 * session.login_with_password, session.logout, and the getters of class session. A session can read its own record only, and there is
 * no get_all: the ref of a session is a credential.
 */
export function sessionCalls(
  db: Database,
  sessions: Sessions,
  { clock, allCalls }: { readonly clock: Clock; readonly allCalls: () => CallTable },
): CallTable {
  const ofOwn = (read: (context: CallContext) => unknown) => ({
    parameters: 1,
    role: 'read-only' as const,
    run: (args: Arguments, context: CallContext) => {
      const self = args.string('session')
      if (self !== context.session) throw handleInvalid('session', self.slice(0, MAX_REF_LENGTH))
      return read(context)
    },
  })
  const fields: Readonly<Record<string, (context: CallContext) => unknown>> = {
    uuid: ({ session }) => db.get('session', session)?.uuid,
    this_host: () => db.list('pool')[0]?.[1].master ?? NULL_REF,
    // this pool has no user and subject records
    this_user: () => NULL_REF,
    subject: () => NULL_REF,
    auth_user_sid: () => '',
    auth_user_name: ({ user }) => user,
    is_local_superuser: ({ role }) => role === 'pool-admin',
    // this call is the last activity
    last_active: () => xapiDateTime(clock.now()),
    originator: ({ session }) => db.get('session', session)?.originator,
    rbac_permissions: ({ role }) => permissionsOf(role, allCalls()),
  }
  return {
    // parameters: user, password, and from newer clients the API version and the originator
    'session.login_with_password': {
      parameters: [2, 4],
      role: null,
      run: (args, { address }) => {
        const [user, password] = [args.string('uname'), args.string('pwd')]
        if (args.more) args.string('version')
        const originator = args.more ? args.string('originator') : ''
        return sessions.login({ user, password, originator: originator.slice(0, MAX_ORIGINATOR_LENGTH), address })
      },
    },
    'session.logout': { parameters: 0, role: 'read-only', run: (_args, { session }) => sessions.logout(session) },
    ...Object.fromEntries(Object.entries(fields).map(([name, read]) => [`session.get_${name}`, ofOwn(read)])),
    'session.get_record': ofOwn(context =>
      Object.fromEntries(Object.entries(fields).map(([name, read]) => [name, read(context)])),
    ),
  }
}

const MAX_REF_LENGTH = 64
const MAX_ORIGINATOR_LENGTH = 256
