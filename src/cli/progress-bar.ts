import { sayDuration } from './duration.ts'

const WIDTH = 30

/** `[=========>          ]  42.1 %  about 12 s left`; without a progress an empty bar, never a guess, and never 100 % early. */
export function progressBar(progress: number | null, etaSeconds: number | null): string {
  const done = Math.floor((progress ?? 0) * WIDTH)
  const bar = `[${'='.repeat(done)}${done < WIDTH ? '>' : ''}${' '.repeat(Math.max(0, WIDTH - done - 1))}]`
  const percent = `${progress === null ? '   -' : percentOf(progress).padStart(4)} %`
  return etaSeconds === null ? `${bar} ${percent}` : `${bar} ${percent}  about ${sayDuration(etaSeconds)} left`
}

/** With one digit after the point, cut and not rounded: 99.97 % is not all. */
export function percentOf(share: number): string {
  return (Math.floor(share * 1000) / 10).toFixed(1)
}
