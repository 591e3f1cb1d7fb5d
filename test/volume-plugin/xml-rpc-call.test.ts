import t from 'tap'
import { formatHosts, parseHosts } from '../../src/agent-api/plugin-functions.ts'
import { readXmlRpcCall } from '../../src/volume-plugin/xml-rpc-call.ts'

const call = (name: string, ...members: readonly string[]) =>
  `<?xml version="1.0"?><methodCall><methodName>${name}</methodName><params><param><value>OpaqueRef:1</value></param>` +
  `<param><value><struct>${members.join('')}</struct></value></param></params></methodCall>`
const member = (name: string, value: string) => `<member><name>${name}</name><value>${value}</value></member>`

t.test('a plugin call is read as OCaml and as Python write it', t => {
  const argsOf = (...members: readonly string[]) => [...readXmlRpcCall(call('gate', ...members)).args]
  t.strictSame(readXmlRpcCall(call('can-reboot')), { name: 'can-reboot', args: new Map() })
  const cases: readonly (readonly [member: string, args: readonly (readonly [string, string])[]])[] = [
    [member('a', 'b'), [['a', 'b']]],
    [member('a', '<string>b</string>'), [['a', 'b']]],
    [member('a', '\n <string>b c</string>\n'), [['a', 'b c']]],
    [member('a', ''), [['a', '']]],
    [member('a', '<string/>'), [['a', '']]],
    [member('a', '<string></string>'), [['a', '']]],
    [member('&lt;a&gt;', '&amp;lt; &quot;&apos;&#65;&#x42;&#x1f512;'), [['<a>', '&lt; "\'AB\u{1f512}']]],
    [member('a', '&nbsp; &#99999999; &#x110000;'), [['a', '&nbsp; &#99999999; &#x110000;']]],
    [member('a', '<int>7</int>') + member('b', 'c'), [['b', 'c']]],
    [`<member>\n<name>a</name>\n<value>b</value>\n</member>`, [['a', 'b']]],
  ]
  for (const [text, args] of cases) t.strictSame(argsOf(text), args, text)
  for (const text of ['', 'no XML', '<methodName>a b</methodName>', '<methodName/>']) {
    t.strictSame(readXmlRpcCall(text), { name: '', args: new Map() })
  }
  t.end()
})

t.test('no text of the accepted size is slow to read', t => {
  const blanks = ' '.repeat(65_000)
  const texts = [
    `<member><name>a</name><value>${blanks}`,
    `<member><name>a</name><value>${blanks}<string>`,
    `<member>${blanks}`,
    `<methodName>${blanks}a${blanks}`,
    '<member>'.repeat(8_000),
    '<member><name>a</name><value>'.repeat(2_000),
    `<member><name>a</name><value>${'&'.repeat(60_000)}</value></member>`,
  ]
  for (const text of texts) t.equal(readXmlRpcCall(text).name, '')
  t.end()
})

t.test('the argument hosts', t => {
  t.strictSame(parseHosts(' hostA,hostB , ,'), ['hostA', 'hostB'])
  t.strictSame(parseHosts('["host, with a comma"," b "]'), ['host, with a comma', 'b'])
  t.strictSame(parseHosts(formatHosts(['a, b', '[c]'])), ['a, b', '[c]'])
  t.strictSame(parseHosts(''), [])
  t.strictSame(parseHosts('[]'), [])
  t.strictSame(parseHosts('[a,b]'), ['[a', 'b]'], 'no JSON')
  t.strictSame(parseHosts('[1]'), ['[1]'])
  t.end()
})
