/** Reading files that may hang. The other files of this folder are its own. */
export { FileReader, type Reading } from './file-reader.ts'
export type { ReadResult, ReadStep } from './reading-process.ts'
