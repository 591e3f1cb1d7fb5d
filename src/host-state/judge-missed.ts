import type { Judgement } from '../sync-query/judge/judgement.ts'
import { type Reason, reason, stateFromReasons } from '../sync-query/reason/reason.ts'
import type { Backend } from './backend-view.ts'
import type { ExpectedMirror } from './expected-mirrors.ts'

/** What is to be said of a mirror that should be there and that the kernel does not show, or not so that it could be told. */
export function judgeMissed(backend: Backend, expected: ExpectedMirror): Judgement {
  const { mirror } = expected
  const reasons = [whyMissed(expected)]
  return {
    mirror,
    backend,
    state: stateFromReasons(reasons),
    activity: 'none',
    moving: false,
    progress: null,
    doneBytes: null,
    totalBytes: null,
    outOfSyncBytes: null,
    etaSeconds: null,
    replicas: { expected: 2, current: 0 },
    reasons,
  }
}

/** After a boot, before anything was brought up, most are `not-up`. */
function whyMissed({ mirror, shownAs }: ExpectedMirror): Reason {
  return reason(shownAs.length === 0 ? 'not-comparable' : 'not-up', mirror)
}
