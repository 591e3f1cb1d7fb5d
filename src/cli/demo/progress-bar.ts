const WIDTH = 30

/** `[=========>          ]  42.1 %  ETA 12 s`; without a progress an empty bar, never a guess. */
export function progressBar(progress: number | null, etaSeconds: number | null): string {
  const done = Math.floor((progress ?? 0) * WIDTH)
  const bar = `[${'='.repeat(done)}${done < WIDTH ? '>' : ''}${' '.repeat(Math.max(0, WIDTH - done - 1))}]`
  const percent = progress === null ? '   - %' : `${(progress * 100).toFixed(1).padStart(4)} %`
  return etaSeconds === null ? `${bar} ${percent}` : `${bar} ${percent}  about ${Math.ceil(etaSeconds)} s left`
}
