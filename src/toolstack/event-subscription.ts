import { ApiFailure } from './api-failure.ts'

/** What a client follows: everything, a class, or one object. Class names are in lower case, as in events. */
export type Subscription =
  | { readonly kind: 'all' }
  | { readonly kind: 'class'; readonly cls: string }
  | { readonly kind: 'object'; readonly cls: string; readonly ref: string }

/**
 * `*`, `host`, `host/OpaqueRef:…`; the class in any case (xapi_event.ml Subscription). A class that the pool does not
 * have is no error, as in stock: it has no events.
 * @throws ApiFailure EVENT_SUBSCRIPTION_PARSE_FAILURE
 */
export function parseSubscription(text: string): Subscription {
  if (text === '*') return { kind: 'all' }
  const [cls = '', ref, ...more] = text.split('/')
  if (more.length > 0) throw new ApiFailure('EVENT_SUBSCRIPTION_PARSE_FAILURE', text)
  return ref === undefined ? { kind: 'class', cls: cls.toLowerCase() } : { kind: 'object', cls: cls.toLowerCase(), ref }
}

export function followsClass(subscriptions: readonly Subscription[], cls: string): boolean {
  return subscriptions.some(one => one.kind === 'all' || one.cls === cls.toLowerCase())
}

export function followsObject(subscriptions: readonly Subscription[], cls: string, ref: string): boolean {
  return subscriptions.some(
    one => one.kind === 'all' || (one.cls === cls.toLowerCase() && (one.kind === 'class' || one.ref === ref)),
  )
}
