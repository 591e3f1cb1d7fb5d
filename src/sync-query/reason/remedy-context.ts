import { shellWord } from '../../platform/text/shell-word.ts'
import type { ReasonDetails, Remedy, RemedyContext } from './reason-kind.ts'

/** The agent's systemd unit. */
export const AGENT_UNIT = 'resync-monitor-agent'
export const DRBD_KERNEL_LOG = 'dmesg --ctime | grep -i drbd | tail -n 40'
export const DISK_KERNEL_LOG = 'dmesg --ctime | grep -iE "md|ata|nvme|blk" | tail -n 40'

/**
 * @param sr UUID of the SR
 * @param speaker name of the host that gives the reason, which is also the name of its peers' connections to it
 */
export function remedyContext(reason: ReasonDetails, sr: string, speaker: string): RemedyContext {
  const [, resource = reason.mirror, number = '*'] = /^([^/].*)\/(\d+|\*)$/.exec(reason.mirror) ?? []
  const isNamed = reason.peer !== undefined && reason.peer !== 'peer' && !/^\d+$/.test(reason.peer)
  const volume = number === '*' ? '' : `/${number}`
  const towards = (peer: string | undefined) => (isNamed ? `${resource}:${peer}` : resource)
  return {
    reason,
    isDrbd: /^[^/].*\/(?:\d+|\*)$/.test(reason.mirror),
    resource: shellWord(resource),
    volume: shellWord(`${resource}${volume}`),
    connection: shellWord(towards(reason.peer)),
    connectionThere: shellWord(towards(speaker)),
    pair: shellWord(`${towards(reason.peer)}${volume}`),
    pairThere: shellWord(`${towards(speaker)}${volume}`),
    towardsKept: shellWord(towards('KEPT_HOST')),
    towardsLoser: shellWord(towards('LOSING_HOST')),
    pairOfLoser: shellWord(`${towards('KEPT_HOST')}${volume}`),
    device: shellWord(devicePath(reason.mirror)),
    syncAction: shellWord(`/sys/block/${reason.mirror.replace(/^\/dev\//, '')}/md/sync_action`),
    file: shellWord(reason.waitsFor ?? 'FILE'),
    memoryFile: shellWord(`/var/lib/resync-monitor/had-mirrors/${sr}.json`),
    wait: `resync-monitor wait --sr ${shellWord(sr)}`,
    speaker: shellWord(speaker),
  }
}

export function devicePath(name: string): string {
  return name.startsWith('/') ? name : `/dev/${name}`
}

/** Commands on the host that gives the reason. */
export function onThisHost(text: string, commands: readonly string[]): Remedy {
  return { text, steps: commands.length === 0 ? [] : [{ on: 'here', commands }] }
}

/** Waiting is enough. */
export function waitForSync({ wait }: RemedyContext, text: string): Remedy {
  return onThisHost(text, [wait])
}
