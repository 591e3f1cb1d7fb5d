/** What the kernel says of its md arrays. The other files of this folder are its own. */
export type { MdReading } from './md-reading.ts'
export { parseMdstat } from './parse-mdstat.ts'
export { readMdArrays } from './read.ts'
