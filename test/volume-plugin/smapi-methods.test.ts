import t from 'tap'
import { SMAPI_METHODS } from '../../src/volume-plugin/smapi-methods.ts'
import { MANIFEST } from './plugin-under-test.ts'

const STAT = {
  sr: 'uri',
  name: '',
  uuid: 'u',
  description: '',
  total_space: 0,
  free_space: 2 ** 53 - 1,
  datasources: ['xeno+shm:///x'],
  clustered: true,
  health: ['Healthy', ''],
}
const PROBED = { configuration: { drbd: 'x*' }, complete: true, extra_info: { what: 'x' } }
const without = (value: object, key: string) =>
  Object.fromEntries(Object.entries(value).filter(([each]) => each !== key))

/** For each method: results that the toolstack accepts, and results that it drops (control.ml, plugin.ml). */
const TABLE: Readonly<
  Record<keyof typeof SMAPI_METHODS, readonly [right: readonly unknown[], wrong: readonly unknown[]]>
> = {
  'Plugin.Query': [
    [MANIFEST, { ...MANIFEST, supported_image_formats: [] }],
    [
      null,
      [],
      ...Object.keys(MANIFEST).map(key => without(MANIFEST, key)),
      ...Object.keys(MANIFEST).map(key => ({ ...MANIFEST, [key]: null })),
      { ...MANIFEST, features: 'SR_ATTACH' },
      { ...MANIFEST, configuration: { drbd: 5 } },
      { ...MANIFEST, configuration: [] },
    ],
  ],
  'Plugin.diagnostics': [
    ['', 'x'],
    [null, 5, ['x'], undefined],
  ],
  'Plugin.ls': [
    [[], ['a']],
    [null, 'a', [5], [null], {}],
  ],
  'SR.probe': [
    [[], [PROBED], [PROBED, { ...PROBED, sr: STAT }], [{ ...PROBED, extra_info: {} }]],
    [
      null,
      PROBED,
      [null],
      [without(PROBED, 'configuration')],
      [without(PROBED, 'complete')],
      [without(PROBED, 'extra_info')],
      [{ ...PROBED, sr: null }],
      [{ ...PROBED, sr: undefined }],
      [{ ...PROBED, sr: without(STAT, 'health') }],
      [{ ...PROBED, complete: 'true' }],
      [{ ...PROBED, extra_info: { count: 5 } }],
      [PROBED, { ...PROBED, configuration: { drbd: ['x'] } }],
    ],
  ],
  'SR.create': [
    [{}, { drbd: 'x' }],
    [null, [], 'x', { drbd: 5 }, { drbd: null }],
  ],
  'SR.attach': [
    ['uri', ''],
    [null, 5, ['uri'], {}],
  ],
  'SR.detach': [[null], [undefined, '', {}, [], true]],
  'SR.destroy': [[null], [undefined, 'ok']],
  'SR.stat': [
    [
      STAT,
      without(STAT, 'uuid'),
      { ...STAT, datasources: [] },
      { ...STAT, health: ['Recovering', 'why'] },
      { ...STAT, more: 1 },
    ],
    [
      null,
      [],
      ...Object.keys(STAT)
        .filter(key => key !== 'uuid')
        .map(key => without(STAT, key)),
      ...Object.keys(STAT).map(key => ({ ...STAT, [key]: null })),
      ...[-1, 1.5, 2 ** 53, Number.NaN, Number.POSITIVE_INFINITY, '10'].map(free_space => ({ ...STAT, free_space })),
      ...['true', 1].map(clustered => ({ ...STAT, clustered })),
      ...['Healthy', [], ['Healthy'], ['Healthy', '', ''], ['Healthy', null], ['Sick', ''], [null, '']].map(health => ({
        ...STAT,
        health,
      })),
      ...[
        ['Unavailable', ''],
        ['Unreachable', ''],
      ].map(health => ({ ...STAT, health })),
      { ...STAT, datasources: [5] },
    ],
  ],
  'SR.ls': [[[]], [null, {}, [{ key: 'volume' }]]],
  'SR.set_name': [[null], [undefined, 'name']],
  'SR.set_description': [[null], [undefined, 'text']],
}

t.test('a result that the toolstack would drop is not sent', async t => {
  for (const [method, { result: schema }] of Object.entries(SMAPI_METHODS)) {
    const [right, wrong] = Object.entries(TABLE).find(([each]) => each === method)?.[1] ?? [[], []]
    t.ok(right.length > 0 && wrong.length > 0)
    for (const result of right) t.ok(schema.safeParse(result).success, `${method}: ${JSON.stringify(result)}`)
    for (const result of wrong) t.notOk(schema.safeParse(result).success, `${method}: not ${JSON.stringify(result)}`)
  }
})
