import type { MdArray } from '../../sync-query/judge/md.ts'
import type { Problem } from '../../sync-query/judge/problem.ts'
import { doubtProblems, type MdReading, mdProblem } from './md-reading.ts'
import { type MdstatBlock, parseMdstatBlock } from './mdstat-block.ts'

/** `md127 : active …`. `=` is excluded: Unraid has a format of its own (`mdState=STARTED`). */
const HEADER = /^(md[^\s:=]*)\s*:(.*)$/

/** Kernel 2.4 prints these two below `Personalities`. */
const KERNEL_2_4_LINE = /^(read_ahead|Event:) /

/**
 * Parses the text of /proc/mdstat of any kernel since 2.4 (md_seq_show in drivers/md/md.c). Pure; any text gives a result. An array with
 * lines that the kernel does not print is kept, with doubts. `understood` is true only if the first and the last line that every kernel
 * prints are present, and every line between them belongs to an array.
 */
export function parseMdstat(text: string): MdReading {
  const blocks: MdstatBlock[] = []
  const problems: Problem[] = []
  let open: MdstatBlock | undefined
  let sawFirstLine = false
  let sawLastLine = false

  let number = 0
  for (const line of text.split('\n').map(raw => raw.trim())) {
    number += 1
    const header = HEADER.exec(line)
    if (line === '') {
      open = undefined
    } else if (sawLastLine) {
      stray(line)
    } else if (line.startsWith('Personalities :') && !sawFirstLine) {
      sawFirstLine = true
    } else if (line.startsWith('unused devices:')) {
      sawLastLine = true
    } else if (header?.[1] !== undefined) {
      open = { name: header[1], header: header[2] ?? '', lines: [], strayLines: [], isCut: false }
      blocks.push(open)
    } else if (open !== undefined) {
      open.lines.push(line)
    } else if (!KERNEL_2_4_LINE.test(line)) {
      stray(line)
    }
  }

  if (!sawFirstLine && !sawLastLine && blocks.length === 0) {
    const nothing = mdProblem(null, 'not-this-format', 'This is not a /proc/mdstat', text.slice(0, 200))
    return { arrays: [], problems: [nothing], understood: false }
  }
  const strayLines = problems.length
  if (!sawFirstLine) {
    problems.push(mdProblem(null, 'word-missing', 'The line "Personalities :" that begins /proc/mdstat is missing'))
  }
  if (!sawLastLine) {
    problems.push(mdProblem(null, 'dump-incomplete', 'The line "unused devices:" that ends /proc/mdstat is missing'))
    const last = blocks.at(-1)
    // The operation line of the last array may be missing: an array that is cut off must not look idle.
    if (last !== undefined) last.isCut = true
  }
  const arrays = mergeSameNames(blocks.map(parseMdstatBlock))
  return {
    arrays,
    problems: [...problems, ...arrays.flatMap(doubtProblems)],
    understood: sawFirstLine && sawLastLine && strayLines === 0,
  }

  /** A line outside every array may belong to an array whose first line is missing, or may be the operation line of the one above. */
  function stray(line: string): void {
    problems.push(mdProblem(null, 'bad-line', `Line ${number} of /proc/mdstat belongs to no array`, line))
    blocks.at(-1)?.strayLines.push(line)
  }
}

/** The kernel never prints two arrays with one name: one of them is misread, and it is not known which. */
function mergeSameNames(arrays: readonly MdArray[]): readonly MdArray[] {
  const byName = new Map<string, MdArray>()
  const inDoubt = new Set<string>()
  for (const array of arrays) {
    const { name } = array
    const first = byName.get(name)
    if (first === undefined) byName.set(name, array)
    else if (!inDoubt.has(name)) {
      inDoubt.add(name)
      byName.set(name, { ...first, doubts: [...first.doubts, { code: 'contradiction', field: 'name', word: name }] })
    }
  }
  return [...byName.values()]
}
