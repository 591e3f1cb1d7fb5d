/** Files that must survive a crash at any moment, of the process or of the machine. */
export { readWhole } from './read-whole.ts'
export { replaceFile } from './replace-file.ts'
