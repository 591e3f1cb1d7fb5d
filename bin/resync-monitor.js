#!/usr/bin/env node
// Plain JavaScript on purpose: a Node that is too old must be able to say so instead of failing on a TypeScript file.
import * as nodeModule from 'node:module'
import { fileURLToPath } from 'node:url'

const [major = 0, minor = 0] = process.versions.node.split('.').map(Number)
if (major > 22 || (major === 22 && minor >= 18)) {
  // Types are stripped once, not at every start. The place belongs to whoever installed the program: in a directory that
  // all may write to, others could leave code there. Where it cannot be written, nothing is kept.
  nodeModule.enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/resync-monitor', import.meta.url)))
  const { main } = await import('../src/cli/main.ts')
  process.exitCode = await main(process.argv.slice(2))
} else {
  process.stderr.write(
    `resync-monitor needs Node 22.18 or newer; this is ${process.versions.node}.\n` +
      'Run it through npm (`npm start`, `npm run -s cli -- …`): `npm ci` has installed a fitting Node for that,\n' +
      'unless optional dependencies were left out.\n',
  )
  process.exitCode = 1
}
