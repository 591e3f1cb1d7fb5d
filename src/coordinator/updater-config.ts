import { z } from 'zod'
import { DEFAULT_POLICY, type GatePolicy } from '../allowed-operations/pool/gate-policy.ts'
import { uuid } from '../platform/text/uuid.ts'

const name = z.string().min(1).max(256)
export const absolutePath = z.string().max(4096).regex(/^\//, 'must be an absolute path')

const ROLES = [
  'pool-admin',
  'pool-operator',
  'vm-power-admin',
  'vm-admin',
  'vm-operator',
  'host-agent',
  'read-only',
] as const
/** The largest pool that xapi supports. */
const MAX_HOSTS = 64
const MAX_SRS = 256

const UserSchema = z.strictObject({
  name,
  /** A file that contains only the password. */
  passwordFile: absolutePath,
  role: z.enum(ROLES).default('pool-admin'),
})

const HostSchema = z.strictObject({
  uuid,
  /** Its name in DRBD's connection names. */
  hostname: name,
  address: z.string().max(256).default(''),
  /** The address of its agent: `http://HOST:PORT`, or the path of a unix socket on this machine. */
  agent: z.string().regex(/^(http:\/\/|\/)/, 'must be an http: URL or the path of a unix socket'),
})

const SrSchema = z.strictObject({
  uuid,
  name: name.default('mirrored'),
  type: name.default('linstor'),
  /** UUIDs of the hosts that have a PBD for it. */
  hosts: z.array(uuid).max(MAX_HOSTS),
})

export const policy = z
  .strictObject({
    kind: z.enum(['conservative', 'placement']).default(DEFAULT_POLICY.kind),
    aggregatedSrTypes: z
      .array(name)
      .max(64)
      .default([...DEFAULT_POLICY.aggregatedSrTypes]),
    leaseSeconds: z
      .number()
      .min(5)
      .max(3600)
      .default(DEFAULT_POLICY.leaseMs / 1000),
    clockSkewSeconds: z
      .number()
      .min(0)
      .max(3600)
      .default(DEFAULT_POLICY.clockSkewMs / 1000),
    outsidePeers: z.array(name).max(64).default([]),
  })
  .prefault({})

export const poll = z
  .strictObject({
    everySeconds: z.number().min(1).max(600).default(30),
    timeoutSeconds: z.number().min(0.1).max(60).default(10),
  })
  .prefault({})

export const metrics = z
  .strictObject({
    enabled: z.boolean().default(true),
    host: name.default('127.0.0.1'),
    /** Differs from the agent's port, because both may run on the coordinator. */
    port: z.number().int().min(0).max(65_535).default(9_945),
  })
  .prefault({})

export const decisionLog = z
  .strictObject({ file: absolutePath, maxBytes: z.number().int().min(10_000).default(10_485_760) })
  .optional()

/** The configuration of the coordinator's daemon: `updater --config FILE`. docs/CONFIGURATION.md explains each key. */
export const UpdaterConfigSchema = z
  .strictObject({
    /** `embedded`: this daemon is the toolstack. `xapi`: it guards an unmodified one (guard-config.ts). */
    toolstack: z.literal('embedded').default('embedded'),
    /** Where the embedded pool serves XenAPI. */
    listen: z
      .strictObject({
        host: name.default('127.0.0.1'),
        port: z.number().int().min(0).max(65_535).default(9_980),
        /** PEM files: serves HTTPS. */
        tls: z.strictObject({ keyFile: absolutePath, certFile: absolutePath }).optional(),
      })
      .prefault({}),
    /** The file that keeps the pool's database. Absent: the pool is empty at each start. */
    stateFile: absolutePath.optional(),
    users: z.array(UserSchema).min(1).max(64),
    hosts: z.array(HostSchema).max(MAX_HOSTS).default([]),
    srs: z.array(SrSchema).max(MAX_SRS).default([]),
    /** A host whose agent was silent for this time counts as dead. */
    assumeDeadAfterSeconds: z.number().min(1).max(3600).default(60),
    policy,
    poll,
    /** The address for Prometheus. */
    metrics,
    /** The decision log. Absent: there is none. */
    decisionLog,
  })
  .superRefine(({ hosts, srs }, context) => {
    const known = new Set<string>()
    for (const [index, host] of hosts.entries()) {
      if (known.has(host.uuid))
        context.addIssue({ code: 'custom', path: ['hosts', index, 'uuid'], message: 'is there twice' })
      known.add(host.uuid)
    }
    for (const [index, sr] of srs.entries()) {
      const at = sr.hosts.findIndex(host => !known.has(host))
      if (at === -1) continue
      context.addIssue({
        code: 'custom',
        path: ['srs', index, 'hosts', at],
        message: 'is not one of the configured hosts',
      })
    }
  })

export type UpdaterConfig = z.output<typeof UpdaterConfigSchema>

export function policyOf({ policy }: Pick<UpdaterConfig, 'policy'>): GatePolicy {
  const { kind, aggregatedSrTypes, leaseSeconds, clockSkewSeconds, outsidePeers } = policy
  return { kind, aggregatedSrTypes, leaseMs: leaseSeconds * 1000, clockSkewMs: clockSkewSeconds * 1000, outsidePeers }
}
