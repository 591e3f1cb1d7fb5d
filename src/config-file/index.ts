/** Configuration files: YAML read against a schema, with problems that say where. */
export { describeConfigProblem } from './config-problem.ts'
export { type ParsedConfig, parseConfigFile } from './parse-config-file.ts'
export { readConfigFile } from './read-config-file.ts'
export { uuid } from './uuid.ts'
export { watchConfigFile } from './watch-config-file.ts'
