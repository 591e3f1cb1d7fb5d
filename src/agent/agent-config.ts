import { z } from 'zod'
import { uuid } from '../platform/text/uuid.ts'

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
  /** DRBD resources by name; `*` stands for any run of characters. One without `*` must be there. */
  drbd: z.array(name).max(MAX_PATTERNS).default([]),
  /** md arrays by UUID, kernel name or device; `*` as above. One without `*` must be there. */
  md: z.array(name).max(MAX_PATTERNS).default([]),
  /** Peers that are no part of the SR's redundancy (an asynchronous disaster-recovery copy): not counted. */
  ignorePeers: z.array(name).max(64).default([]),
  /** This host may have no mirror of the SR. Otherwise patterns that match nothing leave the SR unknown. */
  allowEmpty: z.boolean().default(false),
})

const ToolstackSchema = z
  .strictObject({
    /** `http://HOST[:PORT]` or `https://…`; with a socket: how to reach the coordinator when this host is not it. */
    url: z.url({ protocol: /^https?$/, error: 'must be an http: or https: URL' }),
    /** A unix socket to go through. */
    socket: absolutePath.optional(),
    user: name.default('root'),
    /** A file that holds the password and nothing else, so that this file may be read by all. */
    passwordFile: absolutePath,
    /** A file with the certificates (PEM) of those who may sign the toolstack's. */
    caFile: absolutePath.optional(),
    /**
     * Instead: SHA-256 of the certificates that are accepted, as `openssl x509 -fingerprint -sha256` prints it. Each host of
     * a pool has its own, and any may become the coordinator.
     */
    fingerprints: z
      .array(
        z
          .string()
          .regex(/^([0-9a-f]{2}:){31}[0-9a-f]{2}$/i, 'must be 32 pairs of hex digits, with colons between them'),
      )
      .min(1)
      .max(64)
      .optional(),
    /**
     * Tell the pool every so often that this host lives. Only for the embedded pool: a stock toolstack does this by itself.
     * 0: never.
     */
    heartbeatEverySeconds: z.number().min(0).max(300).default(0),
  })
  .refine(({ caFile, fingerprints }) => caFile === undefined || fingerprints === undefined, {
    error: 'caFile and fingerprints exclude each other',
    path: ['fingerprints'],
  })

/** What one host's agent is told: `agent --config FILE`. */
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
  /** Where reports go. Absent: nowhere; the agent only answers. */
  toolstack: ToolstackSchema.optional(),
  /**
   * What takes this machine down when the pool has told it to. Only for the embedded pool, with heartbeats: a stock toolstack
   * does it by itself. A command that is absent: the order is logged, and the host stays.
   */
  machine: z.strictObject({ reboot: command.optional(), shutdown: command.optional() }).prefault({}),
  drbd: z.strictObject({ drbdsetup: command.default(['drbdsetup']) }).prefault({}),
  md: z
    .strictObject({
      /** `mdadm --monitor` only gives hints; `[]`: without them. */
      mdadm: z.union([z.tuple([]), command]).default(['mdadm']),
    })
    .prefault({}),
  /** Where the agent answers local questions. */
  socket: absolutePath.default('/run/resync-monitor/agent.sock'),
  /** Where it also answers over the network: for an embedded pool on another machine. Absent: nowhere. */
  listen: z.strictObject({ host: name, port: z.number().int().min(0).max(65_535) }).optional(),
  /** Where Prometheus may ask. */
  metrics: z
    .strictObject({
      enabled: z.boolean().default(true),
      host: name.default('127.0.0.1'),
      /** 0 takes any free port. */
      port: z.number().int().min(0).max(65_535).default(9_944),
      /** Each has up to five series, and a scrape blocks the agent for 4 ms per 1 000. */
      maxMirrors: z.number().int().min(0).max(10_000).default(200),
    })
    .prefault({}),
  /** What must survive a restart: notifications that have not arrived, SRs of the volume plugin. */
  stateDirectory: absolutePath.default('/var/lib/resync-monitor'),
  /** The directory that stands for `/`, below which kernels and tools are read. */
  root: absolutePath.default('/'),
})

export type AgentConfig = z.output<typeof AgentConfigSchema>
