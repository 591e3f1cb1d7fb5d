import type { EventFeed } from '../events/event-feed.ts'
import type { CallTable } from './call.ts'

/** event.from, event.get_current_id and event.inject. The deprecated event.register and event.next do not exist. */
export function eventCalls(events: EventFeed): CallTable {
  return {
    'event.from': {
      parameters: 3,
      role: 'read-only',
      run: (args, { signal, turn, ...caller }) =>
        events.from({
          caller,
          turn,
          classes: args.strings('classes'),
          token: args.string('token'),
          timeoutSeconds: args.number('timeout'),
          signal,
        }),
    },
    'event.get_current_id': { parameters: 0, role: 'read-only', run: () => events.currentId },
    'event.inject': {
      parameters: 2,
      role: 'read-only',
      isChange: true,
      run: args => events.inject(args.string('class'), args.string('ref')),
    },
  }
}
