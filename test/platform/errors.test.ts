import { connect, type LookupFunction } from 'node:net'
import t from 'tap'
import { codeOf, messageOf, stackOf } from '../../src/platform/errors.ts'

t.test('whatever was thrown has a message, which says something', async t => {
  const said: readonly (readonly [thrown: unknown, message: string])[] = [
    [new Error('it is full'), 'it is full'],
    [new TypeError(), 'TypeError'],
    [
      new AggregateError([new Error('no'), 'never', new AggregateError([new Error('nor here')])]),
      'no; never; nor here',
    ],
    [new AggregateError([]), 'AggregateError'],
    [new AggregateError([new Error('no')], 'nobody answers'), 'nobody answers'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ]
  for (const [thrown, message] of said) t.equal(messageOf(thrown), message)
})

t.test('a name whose every address refuses: what each of them said', async t => {
  const lookup: LookupFunction = (_name, _options, done) => {
    const found = ['127.0.0.1', '127.0.0.2'].map(address => ({ address, family: 4 }))
    done(null, found)
  }
  const socket = connect({ host: 'toolstack.example', port: 1, autoSelectFamily: true, lookup })
  const error: unknown = await new Promise(resolve => socket.once('error', resolve))
  t.equal(messageOf(error), 'connect ECONNREFUSED 127.0.0.1:1; connect ECONNREFUSED 127.0.0.2:1')
})

t.test('for the log it says where, if that is known', async t => {
  t.match(stackOf(new Error('it is full')), /^Error: it is full\n +at .*errors\.test\.ts/)
  const bare = new Error('it is full')
  delete bare.stack
  t.equal(stackOf(bare), 'it is full')
  t.equal(stackOf('text'), 'text')
})

t.test('what the system calls it is told of its errors alone', async t => {
  t.equal(codeOf(Object.assign(new Error('open'), { code: 'ENOENT' })), 'ENOENT')
  for (const other of [
    new Error('no code'),
    Object.assign(new Error('a number'), { code: 7 }),
    { code: 'ENOENT' },
    null,
  ])
    t.equal(codeOf(other), null)
})
