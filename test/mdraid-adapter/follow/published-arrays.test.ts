import { isDeepStrictEqual } from 'node:util'
import fc from 'fast-check'
import t from 'tap'
import type { MdUpdate } from '../../../src/mdraid-adapter/follow/follow-md.ts'
import { PublishedArrays } from '../../../src/mdraid-adapter/follow/published-arrays.ts'
import type { MdReading } from '../../../src/mdraid-adapter/parse/md-reading.ts'
import type { MdArray } from '../../../src/sync-query/judge/md.ts'

const arrayOf = (name: string) =>
  fc.record({
    name: fc.constant(name),
    uuid: fc.constantFrom(null, 'one', 'other'),
    level: fc.constant('raid1'),
    arrayState: fc.constant('clean'),
    readOnly: fc.constant('no' as const),
    slots: fc.record({ expected: fc.constant(2), current: fc.constantFrom(1, 2) }),
    members: fc.constant([]),
    syncAction: fc.constantFrom('idle', 'resync'),
    operation: fc.constant('none' as const),
    resyncStartBytes: fc.constant('none' as const),
    mismatchBytes: fc.constant(0),
    doubts: fc.constantFrom([], [{ code: 'contradiction' as const, field: 'level' }]),
  }) satisfies fc.Arbitrary<MdArray>

const problem = fc.record({
  device: fc.constantFrom(null, 'md0'),
  code: fc.constantFrom('unreadable', 'bad-line'),
  text: fc.constantFrom('this', 'that'),
})

const reading: fc.Arbitrary<MdReading> = fc.record({
  arrays: fc
    .tuple(...['md0', 'md1', 'md2'].map(name => fc.option(arrayOf(name))))
    .map(each => each.filter(a => a !== null)),
  problems: fc.array(problem, { maxLength: 3 }),
  understood: fc.boolean(),
})

/** The arrays that a consumer knows after it has applied every update. */
class Consumer {
  readonly arrays = new Map<string, MdArray>()
  doubt: string | null | undefined

  apply({ changed, removed, doubt }: MdUpdate): void {
    for (const name of removed) if (!this.arrays.delete(name)) throw new Error(`${name} is gone that was not there`)
    for (const array of changed) this.arrays.set(array.name, array)
    this.doubt = doubt
  }
}

t.test('a consumer that applies every update knows the arrays of the last complete reading', async t => {
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 12 }), readings => {
      const published = new PublishedArrays()
      const consumer = new Consumer()
      for (const [at, each] of readings.entries()) {
        const update = published.publish(each, at)
        if (update !== null) consumer.apply(update)
        const known = each.arrays.map(({ name }) => consumer.arrays.get(name))
        const isPublished = isDeepStrictEqual(known, each.arrays) && published.size === consumer.arrays.size
        const isWhole = !each.understood || consumer.arrays.size === each.arrays.length
        if (!isPublished || !isWhole || each.understood !== (consumer.doubt === null)) return false
      }
      return true
    }),
  )
  t.pass()
})

t.test('an array with the name of another one is preceded by the removal of that one', async t => {
  fc.assert(
    fc.property(fc.array(reading, { maxLength: 12 }), readings => {
      const published = new PublishedArrays()
      /** The UUID of the array whose history is kept, by name. */
      const uuids = new Map<string, string>()
      for (const [at, each] of readings.entries()) {
        const update = published.publish(each, at)
        for (const name of update?.removed ?? []) uuids.delete(name)
        for (const { name, uuid } of update?.changed ?? []) {
          if (uuid === null) continue
          if ((uuids.get(name) ?? uuid) !== uuid) return false
          uuids.set(name, uuid)
        }
      }
      return true
    }),
  )
  t.pass()
})

t.test(
  'the time of the last complete reading comes with each update, and every few seconds without a change',
  async t => {
    const whole: MdReading = { arrays: [], problems: [], understood: true }
    const torn: MdReading = { ...whole, understood: false }
    const published = new PublishedArrays()
    const wholeAt = (each: MdReading, at: number) => published.publish(each, at)?.wholeAt
    t.equal(wholeAt(torn, 1_000), null)
    t.equal(wholeAt(whole, 2_000), 2_000)
    t.equal(wholeAt(whole, 5_999), undefined)
    t.equal(wholeAt(torn, 7_000), 5_999, 'a doubt keeps the time of the last complete one')
    t.equal(wholeAt(torn, 99_000), undefined)
    t.equal(wholeAt(whole, 100_000), 100_000)
    t.equal(wholeAt(whole, 130_000), 130_000, 'no change for half a minute')
    t.equal(wholeAt(whole, 50_000), 50_000, 'the clock was set back')
  },
)

t.test('the same reading twice causes one update', async t => {
  fc.assert(
    fc.property(reading, each => {
      const published = new PublishedArrays()
      return (
        published.publish(structuredClone(each), 0) !== null && published.publish(structuredClone(each), 1) === null
      )
    }),
  )
  t.pass()
})
