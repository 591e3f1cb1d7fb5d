import { spawn } from 'node:child_process'
import { readFileSync, rmdirSync } from 'node:fs'
import { connect, createServer, type LookupFunction } from 'node:net'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { codeOf, messageOf, stackOf, systemText } from '../../src/platform/errors.ts'

t.test('every thrown value has a message that is not empty', async t => {
  const messages: readonly (readonly [thrown: unknown, message: string])[] = [
    [new Error('it is full'), 'it is full'],
    [new TypeError(), 'TypeError'],
    [
      new AggregateError([new Error('no'), 'never', new AggregateError([new Error('nor here')])]),
      'no; never; nor here',
    ],
    [new AggregateError([]), 'AggregateError'],
    [new AggregateError([new Error('no')], 'no answer'), 'no answer'],
    ['text', 'text'],
    [undefined, 'undefined'],
    [null, 'null'],
  ]
  for (const [thrown, message] of messages) t.equal(messageOf(thrown), message)
})

t.test('a name whose addresses all refuse: the message has each address', async t => {
  const lookup: LookupFunction = (_name, _options, done) => {
    const found = ['127.0.0.1', '127.0.0.2'].map(address => ({ address, family: 4 }))
    done(null, found)
  }
  const socket = connect({ host: 'toolstack.example', port: 1, autoSelectFamily: true, lookup })
  const error: unknown = await new Promise(resolve => socket.once('error', resolve))
  t.equal(messageOf(error), '127.0.0.1:1 refuses the connection; 127.0.0.2:1 refuses the connection')
})

t.test('the text for the log has the stack, if there is one', async t => {
  t.match(stackOf(new Error('it is full')), /^Error: it is full\n +at .*errors\.test\.ts/)
  const bare = new Error('it is full')
  delete bare.stack
  t.equal(stackOf(bare), 'it is full')
  t.equal(stackOf('text'), 'text')
})

t.test('only errors with a text as code have a code', async t => {
  t.equal(codeOf(Object.assign(new Error('open'), { code: 'ENOENT' })), 'ENOENT')
  for (const other of [
    new Error('no code'),
    Object.assign(new Error('a number'), { code: 7 }),
    { code: 'ENOENT' },
    null,
  ])
    t.equal(codeOf(other), null)
})

t.test('messages of system errors name the object and describe the failure in words', async t => {
  const folder = t.testdir({ file: '', full: { x: '' } })
  const thrownBy = (call: () => unknown): unknown => {
    try {
      call()
    } catch (error) {
      return error
    }
    return null
  }
  const path = (name: string) => join(folder, name)
  for (const [call, message] of [
    [() => readFileSync(path('none')), `${path('none')} does not exist`],
    [() => readFileSync(folder), 'is a directory'],
    [() => readFileSync(path('file/x')), `${path('file/x')}: a part of the path is not a directory`],
    [() => rmdirSync(path('full')), `${path('full')}: directory not empty`],
  ] as const) {
    t.equal(messageOf(thrownBy(call)), message)
  }
  const spawned: unknown = await new Promise(resolve => spawn(path('none')).once('error', resolve))
  t.equal(messageOf(spawned), `there is no program ${path('none')}`)
  const named: unknown = await new Promise(resolve => connect(80, 'none.invalid').once('error', resolve))
  t.match(messageOf(named), /^the host name none\.invalid cannot be resolved$|none\.invalid: /)
  const port = await listeningPort(t)
  const second: unknown = await new Promise(resolve => createServer().once('error', resolve).listen(port, '127.0.0.1'))
  t.equal(messageOf(second), `another process listens at 127.0.0.1:${port}`)
  t.equal(systemText('ENOSPC'), 'no space left on device')
  t.equal(systemText('EWHAT'), 'EWHAT')
})

async function listeningPort(t: Test): Promise<number> {
  const server = createServer()
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  t.teardown(() => server.close())
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}
