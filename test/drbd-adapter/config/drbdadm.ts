import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

/** What drbdadm would create in the kernel for a configuration: volumes with their peers. */
export type DrbdadmResult =
  | { readonly kind: 'up'; readonly volumes: Readonly<Record<string, readonly string[]>> }
  | { readonly kind: 'rejected'; readonly cause: string }

/** Why drbdadm cannot run on this machine; `null`: it can. */
export function drbdadmMissing(): string | null {
  const { error, stdout } = spawnSync('drbdadm', ['--version'], { encoding: 'utf8' })
  if (error !== undefined) return 'drbdadm (drbd-utils) is not installed here'
  const [, code = '0'] = /DRBDADM_VERSION_CODE=0x([0-9a-f]+)/.exec(stdout) ?? []
  return Number.parseInt(code, 16) < 0x09_00_00 ? 'this drbdadm is not one of DRBD 9' : null
}

/**
 * Runs `drbdadm --dry-run up all`, which prints the commands without running them or loading the module. Peers have the form `ID NAME`,
 * with ` diskless` after those without a disk.
 */
export function runDrbdadm(config: string, host: string): DrbdadmResult {
  const folder = mkdtempSync(join(tmpdir(), 'resync-monitor-drbdadm-'))
  try {
    const file = join(folder, 'drbd.conf')
    writeFileSync(file, config)
    const { status, stdout, stderr } = spawnSync('drbdadm', ['-c', file, '--dry-run', 'up', 'all'], {
      encoding: 'utf8',
      env: { ...process.env, __DRBD_NODE__: host },
    })
    // No resource on this host: exit status 1 and a warning.
    if (status !== 0 && !/no normal resources defined for this host/.test(stderr))
      return { kind: 'rejected', cause: stderr }
    return { kind: 'up', volumes: volumesIn(stdout) }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

function volumesIn(commands: string): Record<string, string[]> {
  const volumes = new Map<string, string[]>()
  const peers = new Map<string, [id: string, name: string][]>()
  const withoutBitmap = new Set<string>()
  for (const line of commands.split('\n')) {
    const [, minor, volume] = /^drbdsetup new-minor (\S+) \d+ (\d+)/.exec(line) ?? []
    if (minor !== undefined) volumes.set(`${minor}/${volume}`, [])
    const [, resource, id, name] = /^drbdsetup new-peer (\S+) (\d+) --_name=(\S+)/.exec(line) ?? []
    if (resource !== undefined && id !== undefined && name !== undefined) {
      peers.set(resource, [...(peers.get(resource) ?? []), [id, name]])
    }
    const [, res, peer, vnr] = /^drbdsetup peer-device-options (\S+) (\d+) (\d+) .*--bitmap=no/.exec(line) ?? []
    if (res !== undefined) withoutBitmap.add(`${res}/${vnr} ${peer}`)
  }
  for (const [volume, ofVolume] of volumes) {
    for (const [id, name] of peers.get(volume.slice(0, volume.lastIndexOf('/'))) ?? []) {
      ofVolume.push(`${id} ${name}${withoutBitmap.has(`${volume} ${id}`) ? ' diskless' : ''}`)
    }
    ofVolume.sort()
  }
  return Object.fromEntries(volumes)
}
