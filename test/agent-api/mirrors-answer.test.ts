import t from 'tap'
import { mirrorsAnswer } from '../../src/agent-api/mirrors-answer.ts'
import { SharedByMirrors } from '../../src/sync-query/history/shared-by-mirrors.ts'
import { TrackedMirror } from '../../src/sync-query/history/tracked-mirror.ts'
import type { Judgement } from '../../src/sync-query/judge/judgement.ts'
import { judgementWith } from '../sync-query/judgement-with.ts'

const COUNTS = { synced: 3, resyncing: 1, degraded: 0, unknown: 0 }

function seen(judgement: Judgement) {
  const mirror = new TrackedMirror(judgement.mirror, new SharedByMirrors())
  mirror.observe({ judgement, at: 0, silenceMeansStall: false })
  return { mirror, reasons: mirror.reasons }
}

t.test('of healthy mirrors only those that warn or are being verified are listed; the worst come first', async t => {
  const { counts, mirrors, omitted } = mirrorsAnswer(COUNTS, [
    seen(judgementWith('well/0', [], { outOfSyncBytes: 0 })),
    seen(judgementWith('warns/0', ['drift'], { outOfSyncBytes: 4096 })),
    seen(judgementWith('verified/0', [], { activity: 'verify', progress: 0.25, outOfSyncBytes: 0 })),
    seen(judgementWith('copied/0', ['resync-running'], { activity: 'resync' })),
  ])
  t.strictSame(
    mirrors.map(({ mirror, state, activity }) => `${mirror} ${state} ${activity}`),
    ['copied/0 resyncing resync', 'warns/0 synced none', 'verified/0 synced verify'],
  )
  t.match(mirrors[2], { progress: 0.25, reasons: [], since: '1970-01-01T00:00:00.000Z' })
  t.strictSame([counts, omitted], [COUNTS, 0])
})
