/** HTTP servers with limits on everything that is sent to them. */
export type { HttpAnswer, HttpRoute, HttpStream, RequestClient, StreamRequest } from './http-route.ts'
export { type HttpLimits, HttpServer, type TlsIdentity } from './http-server.ts'
export { largestGroup } from './largest-group.ts'
export type { ListenAddress, ListeningAt } from './listen.ts'
export { readBody } from './read-body.ts'
