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
  try {
    const value: unknown = JSON.parse(text)
    return Array.isArray(value) && value.every(each => typeof each === 'string') ? value : null
  } catch {
    return null
  }
}
