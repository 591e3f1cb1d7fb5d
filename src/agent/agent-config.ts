import { z } from 'zod'
import { uuid } from '../platform/text/uuid.ts'
import { fingerprint } from '../xenapi-client/client-of-files.ts'

const MAX_SRS = 256
const MAX_PATTERNS = 10_000

const path = z.string().min(1).max(4096)
const absolutePath = path.regex(/^\//, 'must be an absolute path')
const name = z.string().min(1).max(256)
/** A program and its first arguments. */
const command = z.tuple([path], z.string().max(4096))

const SrSchema = z.strictObject({
  /** UUID of the SR in the pool's database. */
  uuid,
  /** DRBD resources by name; `*` matches any characters. A resource whose name contains no `*` must exist. */
  drbd: z.array(name).max(MAX_PATTERNS).default([]),
  /** md arrays by UUID, kernel name or device; `*` as above. An array without `*` must exist. */
  md: z.array(name).max(MAX_PATTERNS).default([]),
  /** Peers that are not part of the SR's redundancy, such as an asynchronous disaster-recovery copy. They are not counted. */
  ignorePeers: z.array(name).max(64).default([]),
  /** This host may have no mirror of the SR. Otherwise an SR whose patterns match nothing is unknown. */
  allowEmpty: z.boolean().default(false),
})

const ToolstackSchema = z
  .strictObject({
    /** `http://HOST[:PORT]` or `https://…`. With a socket: the coordinator's address while this host is not the coordinator. */
    url: z.url({ protocol: /^https?$/, error: 'must be an http: or https: URL' }),
    /** A unix socket to connect through. */
    socket: absolutePath.optional(),
    user: name.default('root'),
    /** A file that contains only the password, so that the configuration file may be readable by all. */
    passwordFile: absolutePath,
    /** A file with the certificates (PEM) that may sign the toolstack's certificate. */
    caFile: absolutePath.optional(),
    /**
     * Instead of `caFile`: SHA-256 of the accepted certificates, as `openssl x509 -fingerprint -sha256` prints it. Each host of a
     * pool has a certificate of its own, and any host may become the coordinator.
     */
    fingerprints: z.array(fingerprint).min(1).max(64).optional(),
    /**
     * Seconds between heartbeats to the pool. Only for the embedded pool: an unmodified toolstack sends its own. 0: none.
     */
    heartbeatEverySeconds: z.number().min(0).max(300).default(0),
  })
  .refine(({ caFile, fingerprints }) => caFile === undefined || fingerprints === undefined, {
    error: 'caFile and fingerprints exclude each other',
    path: ['fingerprints'],
  })

/** The configuration of one host's agent: `agent --config FILE`. */
export const AgentConfigSchema = z.strictObject({
  /** UUID of this host in the pool's database. */
  host: uuid,
  srs: z
    .array(SrSchema)
    .max(MAX_SRS)
    .default([])
    .superRefine((srs, context) => {
      const seen = new Set<string>()
      for (const [index, { uuid: each }] of srs.entries()) {
        if (seen.has(each)) context.addIssue({ code: 'custom', path: [index, 'uuid'], message: 'is there twice' })
        seen.add(each)
      }
    }),
  /** Where reports are pushed. Absent: nowhere, and the agent only answers. */
  toolstack: ToolstackSchema.optional(),
  /**
   * The commands that take this machine down when the pool orders it. Only for the embedded pool, with heartbeats: an unmodified
   * toolstack does it itself. Without a command the order is logged and refused.
   */
  machine: z.strictObject({ reboot: command.optional(), shutdown: command.optional() }).prefault({}),
  drbd: z.strictObject({ drbdsetup: command.default(['drbdsetup']) }).prefault({}),
  md: z
    .strictObject({
      /** `mdadm --monitor` only gives hints; `[]`: work without it. */
      mdadm: z.union([z.tuple([]), command]).default(['mdadm']),
    })
    .prefault({}),
  /** The unix socket where the agent answers. */
  socket: absolutePath.default('/run/resync-monitor/agent.sock'),
  /** Where it also answers over the network, for an embedded pool on another machine. Absent: nowhere. */
  listen: z.strictObject({ host: name, port: z.number().int().min(0).max(65_535) }).optional(),
  /** Where Prometheus scrapes. */
  metrics: z
    .strictObject({
      enabled: z.boolean().default(true),
      host: name.default('127.0.0.1'),
      /** 0 takes any free port. */
      port: z.number().int().min(0).max(65_535).default(9_944),
      /** Mirrors with series of their own. Each has up to five, and a scrape blocks the agent for 4 ms per 1 000. */
      maxMirrors: z.number().int().min(0).max(10_000).default(200),
    })
    .prefault({}),
  /** What must survive a restart: notifications that the pool has not received, SRs of the volume plugin, memory of mirrors. */
  stateDirectory: absolutePath.default('/var/lib/resync-monitor'),
  /** The directory that stands for `/`. */
  root: absolutePath.default('/'),
})

export type AgentConfig = z.output<typeof AgentConfigSchema>
