/** A XenAPI plugin call: the function, and its arguments by name. */
export interface XmlRpcCall {
  readonly name: string
  readonly args: ReadonlyMap<string, string>
}

const FUNCTION = /<methodName>\s*([\w.-]+)\s*<\/methodName>/
/**
 * A string as OCaml's Xmlrpc and Python's write it. No two adjacent parts may match the same text: on 64 KiB of blanks the match would
 * take hours.
 */
const MEMBER =
  /<member>\s*<name>([^<]*)<\/name>\s*<value>(?:\s*<string>([^<]*)<\/string>\s*|\s*<string\s*\/>\s*|([^<]*))<\/value>\s*<\/member>/g
const ENTITIES: ReadonlyMap<string, string> = new Map([
  ['amp', '&'],
  ['lt', '<'],
  ['gt', '>'],
  ['quot', '"'],
  ['apos', "'"],
])

/**
 * Reads the XML-RPC text that xapi passes to a plugin: a session and a struct of strings. The XML is not parsed as a whole: strings
 * cannot contain a `<`, so a pattern finds the members. Anything else is ignored.
 */
export function readXmlRpcCall(text: string): XmlRpcCall {
  const args = new Map<string, string>()
  for (const [, name = '', typed, bare = ''] of text.matchAll(MEMBER)) {
    args.set(decoded(name).trim(), decoded(typed ?? bare))
  }
  return { name: FUNCTION.exec(text)?.[1] ?? '', args }
}

function decoded(text: string): string {
  return text.replaceAll(/&(?:#(\d{1,7})|#x([0-9a-f]{1,6})|(\w{2,4}));/gi, (whole, decimal, hex, name) => {
    if (name !== undefined) return ENTITIES.get(name) ?? whole
    const point = decimal === undefined ? Number.parseInt(hex, 16) : Number(decimal)
    return point <= 0x10ffff ? String.fromCodePoint(point) : whole
  })
}
