/** What the kernel says of its md arrays, and which ones are configured. The other files of this folder are its own. */
export type { MdReading } from './md-reading.ts'
export { mdUuid, uuidOfOldMetadata } from './md-uuid.ts'
export type { ConfiguredArrays, ParsedArrays } from './parse-config.ts'
export { parseMdstat } from './parse-mdstat.ts'
export { readMdArrays } from './read.ts'
export { readMdConfig } from './read-config.ts'
export { followMd, type MdSourceOptions, type MdUpdate } from './source.ts'
export { watchMdConfig } from './watch-config.ts'
