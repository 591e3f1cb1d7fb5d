import { handleInvalid } from './api-failure.ts'
import type { Arguments, CallContext, CallTable } from './call.ts'
import type { Database } from './database.ts'
import { NULL_REF } from './records.ts'
import { mayAct, permissionOf } from './roles.ts'
import type { Sessions } from './sessions.ts'

/**
 * session.login_with_password, session.logout, and what clients ask of their own session. A session can be asked for by
 * itself only, and there is no get_all: its ref is a credential.
 */
export function sessionCalls(db: Database, sessions: Sessions, allCalls: () => CallTable): CallTable {
  const ofOwn = (read: (context: CallContext) => unknown) => ({
    parameters: 1,
    role: 'read-only' as const,
    run: (args: Arguments, context: CallContext) => {
      const self = args.string('session')
      if (self !== context.session) throw handleInvalid('session', self.slice(0, MAX_REF_LENGTH))
      return read(context)
    },
  })
  return {
    // user, password, and from newer clients: API version, originator
    'session.login_with_password': {
      parameters: [2, 4],
      role: null,
      run: args => sessions.login(args.string('uname'), args.string('pwd')),
    },
    'session.logout': { parameters: 0, role: 'read-only', run: (_args, { session }) => sessions.logout(session) },
    'session.get_uuid': ofOwn(({ session }) => db.get('session', session)?.uuid),
    'session.get_this_host': ofOwn(() => db.list('pool')[0]?.[1].master ?? NULL_REF),
    // there are no user and subject records here
    'session.get_this_user': ofOwn(() => NULL_REF),
    'session.get_auth_user_sid': ofOwn(() => ''),
    'session.get_auth_user_name': ofOwn(({ user }) => user),
    'session.get_is_local_superuser': ofOwn(({ role }) => role === 'pool-admin'),
    'session.get_rbac_permissions': ofOwn(({ role }) =>
      Object.entries(allCalls()).flatMap(([method, call]) =>
        call.role === null || mayAct(role, call.role) ? [permissionOf(method)] : [],
      ),
    ),
  }
}

const MAX_REF_LENGTH = 64
