import { readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { execa } from 'execa'
import t from 'tap'
import { parse } from 'yaml'
import { everything } from './every-metric.ts'
import { findProgram } from './find-program.ts'
import { parseExposition } from './parse-exposition.ts'

const ROOT = resolve(import.meta.dirname, '../..')
const RULES = 'prometheus/resync-monitor.rules.yaml'
const TESTS = 'prometheus/resync-monitor.test.yaml'
const read = (path: string) => readFileSync(join(ROOT, path), 'utf8')

interface Alert {
  readonly alert: string
  readonly expr: string
  readonly labels: { readonly severity: string }
  readonly annotations: Readonly<Record<string, string>>
}

const alerts: readonly Alert[] = parse(read(RULES)).groups.flatMap(({ rules }: { rules: Alert[] }) => rules)

/** The label names of each exported series, and of `up`, which Prometheus makes itself. */
async function exported(): Promise<ReadonlyMap<string, ReadonlySet<string>>> {
  const texts = await Promise.all(everything().map(part => part.render()))
  const labels = new Map([['up', new Set(['job', 'instance'])]])
  for (const sample of parseExposition(texts.join('\n'))) {
    labels.set(sample.name, new Set([...Object.keys(sample.labels), 'job', 'instance']))
  }
  return labels
}

t.test('the rules use only exported series and their labels', async t => {
  const series = await exported()
  for (const { alert, expr, annotations } of alerts) {
    const asked = [...expr.matchAll(/\b(resync_monitor_\w+|up)\b(?:\{([^}]*)\})?/g)]
    t.ok(asked.length > 0, alert)
    // The part after `unless` removes alerts and gives no labels.
    const giving = expr.split(/\bunless\b/)[0] ?? ''
    for (const [, name = '', selector = ''] of asked) {
      const has = series.get(name)
      t.ok(has, `${alert}: ${name}`)
      const used = Array.from(selector.matchAll(/(\w+)\s*[=!]/g), ([, label = '']) => label)
      const grouped = Array.from(expr.matchAll(/by \(([^)]*)\)/g), ([, list = '']) => list.split(/,\s*/)).flat()
      const made = Array.from(expr.matchAll(/label_replace\([^"]*, "(\w+)"/g), ([, label = '']) => label)
      const shownLabels = Object.values(annotations).flatMap(text =>
        Array.from(text.matchAll(/\$labels\.(\w+)/g), ([, label = '']) => label)
          // The text handles an absent label itself.
          .filter(label => !text.includes(`{{ if $labels.${label} }}`)),
      )
      const needed = giving.includes(name) ? [...used, ...grouped, ...shownLabels] : [...used, ...grouped]
      for (const label of needed) t.ok(has?.has(label) || made.includes(label), `${alert}: ${name} has ${label}`)
      for (const label of shownLabels) t.ok(grouped.length === 0 || grouped.includes(label), `${alert} keeps ${label}`)
    }
  }
})

t.test(
  'every alert has its entry in ALERTS.md with its severity, no entry is left over, and each is played',
  async t => {
    const entries = Array.from(read('docs/ALERTS.md').matchAll(/^### (\w+) \((\w+)\)$/gm), ([, name, severity]) => [
      name,
      severity,
    ])
    t.strictSame(
      entries,
      alerts.map(({ alert, labels }) => [alert, labels.severity]),
    )
    t.strictSame(new Set(entries.map(([, severity]) => severity)), new Set(['critical', 'warning', 'info', 'none']))
    const played = new Set<string>()
    for (const { alert_rule_test } of parse(read(TESTS)).tests) {
      for (const { alertname, exp_alerts = [] } of alert_rule_test) if (exp_alerts.length > 0) played.add(alertname)
    }
    t.strictSame(played, new Set(alerts.map(({ alert }) => alert)))
  },
)

const promtool = findProgram('promtool')
t.test(
  'promtool accepts the rules and their tests',
  { skip: promtool === null && 'promtool is not installed' },
  async t => {
    for (const args of [
      ['check', 'rules', RULES],
      ['test', 'rules', TESTS],
    ]) {
      const { exitCode, all } = await execa(promtool ?? '', args, {
        cwd: ROOT,
        all: true,
        reject: false,
        timeout: 60_000,
      })
      t.equal(exitCode, 0, all)
    }
  },
)
