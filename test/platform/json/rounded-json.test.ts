import t from 'tap'
import { roundedJson } from '../../../src/platform/json/rounded-json.ts'

t.test('progress has four digits and is never rounded up; seconds and bytes are integers', async t => {
  const value = {
    progress: 0.42123456,
    etaSeconds: 12.7,
    outOfSyncBytes: 4096,
    reasons: [{ progress: 0.99999 }],
    x: 0.5,
  }
  t.strictSame(JSON.parse(roundedJson(value)), {
    progress: 0.4212,
    etaSeconds: 13,
    outOfSyncBytes: 4096,
    reasons: [{ progress: 0.9999 }],
    x: 0.5,
  })
  t.equal(roundedJson({ progress: 0.7, etaSeconds: null }), '{"progress":0.7,"etaSeconds":null}')
  t.equal(roundedJson({ progress: 1 }), '{"progress":1}')
})
