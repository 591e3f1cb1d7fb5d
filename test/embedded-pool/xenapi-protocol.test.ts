import t from 'tap'
import { ask, firstOf, login, PASSWORD, post, servedPool } from './pool-under-test.ts'

t.test('answers have the formats of stock xapi', async t => {
  const { pool, url } = await servedPool(t)
  pool.seed(['a', 'b'])
  const session = await login(url)
  const wrong = 'OpaqueRef:none'
  const cases: readonly (readonly [title: string, request: unknown, answer: unknown])[] = [
    [
      'JSON-RPC 2.0, a result',
      { jsonrpc: '2.0', method: 'pool.get_name_label', params: [session, pool.ref], id: 'x' },
      { jsonrpc: '2.0', id: 'x', result: '' },
    ],
    [
      'JSON-RPC 2.0, an error: code 1, the XenAPI code as message, its parameters as data',
      { jsonrpc: '2.0', method: 'host.reboot', params: [session, wrong], id: 0 },
      { jsonrpc: '2.0', id: 0, error: { code: 1, message: 'HANDLE_INVALID', data: ['host', wrong] } },
    ],
    [
      'JSON-RPC 1, a result',
      { method: 'pool.get_tags', params: [session, pool.ref], id: 7 },
      { result: [], error: null, id: 7 },
    ],
    [
      'JSON-RPC 1, an error: the code, then its parameters',
      { method: 'host.reboot', params: [session, wrong], id: 7 },
      { result: null, error: ['HANDLE_INVALID', 'host', wrong], id: 7 },
    ],
    [
      'JSON-RPC 1 without an id',
      { method: 'no.such', params: [] },
      { result: null, error: ['MESSAGE_METHOD_UNKNOWN', 'no.such'], id: null },
    ],
    [
      'void is an empty string',
      { jsonrpc: '2.0', method: 'pool.remove_from_other_config', params: [session, pool.ref, 'x'], id: 1 },
      { jsonrpc: '2.0', id: 1, result: '' },
    ],
    [
      'a batch of one is answered with an array',
      [{ jsonrpc: '2.0', method: 'pool.get_all', params: [session], id: 1 }],
      [{ jsonrpc: '2.0', id: 1, result: [pool.ref] }],
    ],
    [
      'a batch may mix versions and failures',
      [{ method: 'pool.get_all', params: [session], id: 1 }, 1, { jsonrpc: '2.0', method: 'x', id: 2 }],
      [
        { result: [pool.ref], error: null, id: 1 },
        { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid Request: a request must be an object' } },
        { jsonrpc: '2.0', id: 2, error: { code: 1, message: 'MESSAGE_METHOD_UNKNOWN', data: ['x'] } },
      ],
    ],
    [
      'invalid JSON',
      '{"method":',
      { jsonrpc: '2.0', id: null, error: { code: -32700, message: 'Parse error: the request is not JSON' } },
    ],
    [
      'an empty batch',
      [],
      { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid Request: an empty batch' } },
    ],
    [
      'a batch of more than 100 is refused completely',
      Array.from({ length: 101 }, () => ({ method: 'pool.get_all', params: [session], id: 1 })),
      { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid Request: a batch of more than 100' } },
    ],
    [
      'a notification is refused as in stock xapi: a reboot must not fail silently',
      { jsonrpc: '2.0', method: 'host.reboot', params: [session, wrong] },
      { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid Request: there is no id' } },
    ],
    [
      'parameters by name',
      { jsonrpc: '2.0', method: 'pool.get_all', params: { session }, id: 3 },
      { jsonrpc: '2.0', id: 3, error: { code: -32602, message: 'Invalid params: they must be a list' } },
    ],
    [
      'another version of JSON-RPC',
      { jsonrpc: '3.0', method: 'pool.get_all', params: [], id: 3 },
      { jsonrpc: '2.0', id: 3, error: { code: -32600, message: 'Invalid Request: this is not JSON-RPC 2.0' } },
    ],
    [
      'a method that is not a string',
      { jsonrpc: '2.0', method: 1, params: [], id: 3 },
      { jsonrpc: '2.0', id: 3, error: { code: -32600, message: 'Invalid Request: there is no method' } },
    ],
    [
      'null',
      null,
      { jsonrpc: '2.0', id: null, error: { code: -32600, message: 'Invalid Request: a request must be an object' } },
    ],
  ]
  for (const [title, request, answer] of cases) t.strictSame(await post(url, request), answer, title)
})

t.test('a call that fails has the error code of the broken rule', async t => {
  const { pool, url, bugs } = await servedPool(t)
  const { hosts, sr } = pool.seed(['a'])
  const host = firstOf(hosts).ref
  const session = await login(url)
  const srUuid = pool.get('SR', sr)?.uuid
  const cases: readonly (readonly [call: readonly [string, ...unknown[]], error: readonly string[]])[] = [
    [
      ['session.login_with_password', 'root', 'wrong'],
      ['SESSION_AUTHENTICATION_FAILED', 'root', 'Authentication failure'],
    ],
    [
      ['session.login_with_password', 'root'],
      ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'session.login_with_password', '2', '1'],
    ],
    [
      ['session.get_all', session],
      ['MESSAGE_METHOD_UNKNOWN', 'session.get_all'],
    ],
    [
      ['constructor', session],
      ['MESSAGE_METHOD_UNKNOWN', 'constructor'],
    ],
    [
      ['Async.host.get_all', session],
      ['MESSAGE_METHOD_UNKNOWN', 'Async.host.get_all'],
    ],
    [
      ['Async.no.such', session],
      ['MESSAGE_METHOD_UNKNOWN', 'Async.no.such'],
    ],
    [['host.get_all'], ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'host.get_all', '0', '-1']],
    [
      ['host.get_all', session, 1],
      ['MESSAGE_PARAMETER_COUNT_MISMATCH', 'host.get_all', '0', '1'],
    ],
    [
      ['host.get_all', 'OpaqueRef:none'],
      ['SESSION_INVALID', 'OpaqueRef:none'],
    ],
    [
      ['host.get_all', 5],
      ['SESSION_INVALID', ''],
    ],
    [
      ['host.get_uuid', session, 5],
      ['FIELD_TYPE_ERROR', 'host'],
    ],
    [
      ['host.get_uuid', session, sr],
      ['HANDLE_INVALID', 'host', sr],
    ],
    [
      ['PBD.get_record', session, '__proto__'],
      ['HANDLE_INVALID', 'PBD', '__proto__'],
    ],
    [
      ['host.get_by_uuid', session, 'none'],
      ['UUID_INVALID', 'host', 'none'],
    ],
    [
      ['event.inject', session, 'VM', 'x'],
      ['HANDLE_INVALID', 'VM', 'x'],
    ],
    [
      ['event.inject', session, 'host', 'x'],
      ['HANDLE_INVALID', 'host', 'x'],
    ],
    [
      ['event.inject', session, 'session', session],
      ['HANDLE_INVALID', 'session', session],
    ],
    [
      ['event.from', session, 'host', '', 0],
      ['FIELD_TYPE_ERROR', 'classes'],
    ],
    [
      ['event.from', session, [1], '', 0],
      ['FIELD_TYPE_ERROR', 'classes'],
    ],
    [
      ['event.from', session, ['host'], '', '0'],
      ['FIELD_TYPE_ERROR', 'timeout'],
    ],
    [
      ['event.from', session, ['a/b/c'], '', 0],
      ['EVENT_SUBSCRIPTION_PARSE_FAILURE', 'a/b/c'],
    ],
    [
      ['event.from', session, ['host'], '12', 0],
      ['EVENT_FROM_TOKEN_PARSE_FAILURE', '12'],
    ],
    [
      ['event.from', session, Array(1001).fill('host'), '', 0],
      ['VALUE_NOT_SUPPORTED', 'classes', '', 'too large'],
    ],
    [
      ['pool.add_to_other_config', session, pool.ref, '', 'v'],
      ['VALUE_NOT_SUPPORTED', 'key', '', 'empty'],
    ],
    [
      ['pool.add_to_other_config', session, pool.ref, 'k', 'x'.repeat(65_537)],
      ['VALUE_NOT_SUPPORTED', 'value', '', 'too large'],
    ],
    [
      ['pool.set_other_config', session, pool.ref, ['k', 'v']],
      ['FIELD_TYPE_ERROR', 'other_config'],
    ],
    [
      ['pool.set_other_config', session, pool.ref, { k: 1 }],
      ['FIELD_TYPE_ERROR', 'other_config'],
    ],
    [
      [
        'pool.set_other_config',
        session,
        pool.ref,
        Object.fromEntries('abcde'.split('').map(k => [k, 'x'.repeat(60_000)])),
      ],
      ['VALUE_NOT_SUPPORTED', 'other_config', '', 'too large'],
    ],
    [
      ['host.add_to_other_config', session, host, 'boot_time', 'x'],
      ['MAP_DUPLICATE_KEY', 'host', 'other_config', host, 'boot_time'],
    ],
    [
      ['task.set_status', session, 'x', 'success'],
      ['HANDLE_INVALID', 'task', 'x'],
    ],
    [
      ['message.create', session, 'N', 1, 'VM', 'u', 'b'],
      ['FIELD_TYPE_ERROR', 'cls'],
    ],
    [
      ['message.create', session, 'N', 1, 'Host', srUuid, 'b'],
      ['UUID_INVALID', 'Host', String(srUuid)],
    ],
    [
      ['host.call_plugin', session, host, 'p', 'f', {}],
      ['XENAPI_MISSING_PLUGIN', 'p'],
    ],
    [
      ['host.power_on', session, host],
      ['XENAPI_MISSING_PLUGIN', 'power-on-host'],
    ],
  ]
  for (const [[method, ...params], error] of cases) {
    t.strictSame(await ask(url, method, ...params), error, `${method} -> ${error.join(' ')}`)
  }
  t.strictSame(bugs, [], 'no error is reported as a bug')
})

t.test('class_method is an alias of class.method, also for asynchronous calls', async t => {
  const { pool, url } = await servedPool(t)
  const { ref } = firstOf(pool.seed(['a']).hosts)
  const session = await ask(url, 'session_login_with_password', 'root', PASSWORD)
  t.match(session, /^OpaqueRef:/)
  t.strictSame(await ask(url, 'host_get_all', session), [ref])
  t.equal(await ask(url, 'host_metrics_get_live', session, pool.get('host', ref)?.metrics), true)
  t.match(await ask(url, 'Async.host_disable', session, ref), /^OpaqueRef:/)
  t.match(await ask(url, 'Async.host_get_all', session), ['MESSAGE_METHOD_UNKNOWN', 'Async.host_get_all'])
  t.match(await ask(url, 'host_get.all', session), ['MESSAGE_METHOD_UNKNOWN', 'host_get.all'])
  const methods = await ask(url, 'system.listMethods')
  t.ok(Array.isArray(methods) && methods.includes('host.get_all') && !methods.includes('host_get_all'))
})
