/** Files that must survive a crash at any moment, of the process or of the machine, and belong to one process. */
export { LockHeld, takeLock } from './lock-file.ts'
export { readWhole, readWholeSync } from './read-whole.ts'
export { replaceFile } from './replace-file.ts'
