import { formatDuration } from './duration.ts'

const WIDTH = 30

/** `[=========>          ]  42.1 %  about 12 s left`; without a progress an empty bar, never a guess, and never 100 % early. */
export function progressBar(progress: number | null, etaSeconds: number | null): string {
  const done = Math.floor((progress ?? 0) * WIDTH)
  const bar = `[${'='.repeat(done)}${done < WIDTH ? '>' : ''}${' '.repeat(Math.max(0, WIDTH - done - 1))}]`
  const percent = `${progress === null ? '   -' : percentOf(progress).padStart(4)} %`
  return etaSeconds === null ? `${bar} ${percent}` : `${bar} ${percent}  about ${formatDuration(etaSeconds)} left`
}

/** With one digit after the point, cut and not rounded: 99.97 % is not all. A kernel's `0.70` must not become 0.6. */
export function percentOf(share: number): string {
  return (Math.floor(share * 1000 + BINARY_ERROR) / 10).toFixed(1)
}

/** What fractions are written in misses one in nine of a kernel's tenths by a hair. */
const BINARY_ERROR = 1e-9
