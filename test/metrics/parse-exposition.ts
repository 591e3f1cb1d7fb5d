/** One series with its unescaped labels. */
export interface Sample {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

const META = /^# (HELP|TYPE) ([a-z_]+) (.+)$/
const SAMPLE = /^([a-z_]+)(?:\{(.*)\})? (\S+)$/s
const LABEL = /^([a-z_]+)="((?:\\["\\n]|[^"\\\n\0])*)"(?:,|$)/

/**
 * Parses Prometheus' text format strictly: every family once with HELP and TYPE before its samples, no series twice, no timestamps, only
 * finite values.
 * @throws Error with the reason
 */
export function parseExposition(text: string): readonly Sample[] {
  if (!text.endsWith('\n')) throw new Error('the last line has no end')
  const types = new Map<string, string>()
  const helps = new Set<string>()
  const seen = new Set<string>()
  const samples: Sample[] = []
  let family = ''
  for (const line of text.split('\n')) {
    if (line === '') continue
    const [, what, name, rest] = META.exec(line) ?? []
    if (name !== undefined && rest !== undefined) {
      if (what === 'HELP' ? helps.has(name) : types.has(name)) throw new Error(`${what} of ${name} twice`)
      if (what === 'HELP') helps.add(name)
      else types.set(name, rest)
      family = name
      continue
    }
    const sample = sampleOf(line)
    const key = JSON.stringify([sample.name, Object.entries(sample.labels).toSorted()])
    if (seen.has(key)) throw new Error(`twice: ${line}`)
    seen.add(key)
    const type = types.get(family)
    if (type === undefined || !helps.has(family)) throw new Error(`no HELP and TYPE before: ${line}`)
    const suffixes = type === 'histogram' ? ['_bucket', '_sum', '_count'] : ['']
    if (!suffixes.some(suffix => sample.name === family + suffix)) throw new Error(`not of ${family}: ${line}`)
    if ((type === 'counter') !== family.endsWith('_total')) throw new Error(`${family} is no name for a ${type}`)
    samples.push(sample)
  }
  return samples
}

function sampleOf(line: string): Sample {
  const [, name, labelText = '', figure] = SAMPLE.exec(line) ?? []
  if (name === undefined || !Number.isFinite(Number(figure))) throw new Error(`no sample: ${line}`)
  const labels: Record<string, string> = {}
  let rest = labelText
  while (rest !== '') {
    const [whole, label, value] = LABEL.exec(rest) ?? []
    if (whole === undefined || label === undefined || value === undefined) throw new Error(`bad labels: ${line}`)
    labels[label] = value.replace(/\\(.)/g, (_, char: string) => (char === 'n' ? '\n' : char))
    rest = rest.slice(whole.length)
  }
  return { name, labels, value: Number(figure) }
}

/** The values of a metric, by its label values in their order. */
export function figures(text: string, name: string): Readonly<Record<string, number>> {
  const ofName = parseExposition(text).filter(sample => sample.name === name)
  return Object.fromEntries(ofName.map(({ labels, value }) => [Object.values(labels).join(' '), value]))
}
