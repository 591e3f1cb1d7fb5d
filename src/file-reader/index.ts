/** Reading files that may hang. The other files of this folder are its own. */
export { FileReader, type Reading, type ReadJob } from './file-reader.ts'
export { ProcessPool } from './process-pool.ts'
export type { ReadStep } from './reading-process.ts'
