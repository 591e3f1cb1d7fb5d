import { parseJson } from '../platform/json/parse-json.ts'

/** What one request of the agent's socket holds. */
const MAX_TEXT_LENGTH = 65_536

/**
 * Hosts as an argument of the plugin names them: UUIDs or names with commas between them, or a JSON list, for names that
 * hold a comma.
 */
export function parseHosts(text: string): readonly string[] {
  return (jsonList(text) ?? text.split(',')).map(host => host.trim()).filter(host => host !== '')
}

/** What `parseHosts` reads, whatever the names hold. */
export function formatHosts(hosts: readonly string[]): string {
  return JSON.stringify(hosts)
}

function jsonList(text: string): readonly string[] | null {
  if (!text.trimStart().startsWith('[')) return null
  const parsed = parseJson(text, MAX_TEXT_LENGTH)
  const value = 'value' in parsed ? parsed.value : null
  return Array.isArray(value) && value.every(each => typeof each === 'string') ? value : null
}
