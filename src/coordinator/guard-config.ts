import { z } from 'zod'
import { fingerprint } from '../xenapi-client/client-of-files.ts'
import { absolutePath, decisionLog, metrics, policy, poll } from './updater-config.ts'

/**
 * The configuration of `updater --toolstack xapi`: the guard of a pool of unmodified toolstacks. docs/CONFIGURATION.md explains each key.
 */
export const GuardConfigSchema = z
  .strictObject({
    toolstack: z.literal('xapi').default('xapi'),
    /** The unix socket of this host's toolstack. It asks for no password, and only root can open it. */
    socket: absolutePath.default('/var/lib/xcp/xapi'),
    /** Instead of the socket, from another machine: `https://COORDINATOR`. */
    url: z.url({ protocol: /^https?$/, error: 'must be an http: or https: URL' }).optional(),
    user: z.string().min(1).max(256).default('root'),
    /** Needed with `url`: a file that contains only the password. */
    passwordFile: absolutePath.optional(),
    caFile: absolutePath.optional(),
    fingerprints: z.array(fingerprint).min(1).max(64).optional(),
    /** The file that says whether this host is the coordinator: `master`, or `slave:ADDRESS`. Not used with `url`. */
    roleFile: absolutePath.default('/etc/xensource/pool.conf'),
    /**
     * Keep a host that was rebooted disabled until all is in sync again, so that a client that waits for it goes on only then. Needs xapi
     * 25.31 or later.
     */
    holdReturningHosts: z.boolean().default(false),
    /** Restart the toolstack of a host whose reboot was accepted while another host of its SR goes down, which drops the reboot. */
    undoSecondReboot: z.boolean().default(false),
    policy,
    poll,
    metrics,
    decisionLog,
  })
  .superRefine(({ url, passwordFile, caFile, fingerprints }, context) => {
    const complain = (key: string, message: string) => context.addIssue({ code: 'custom', path: [key], message })
    if (url !== undefined && passwordFile === undefined) complain('passwordFile', 'is needed with url')
    if (caFile !== undefined && fingerprints !== undefined) complain('fingerprints', 'excludes caFile')
  })

/** The key that says which of its two configurations a file of the updater is. */
export const ToolstackKeySchema = z.looseObject({ toolstack: z.enum(['embedded', 'xapi']).default('embedded') })

export type GuardConfig = z.output<typeof GuardConfigSchema>
