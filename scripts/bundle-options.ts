import type { BuildOptions } from 'esbuild'

/** esbuild options of the bundle, for hosts (bundle.ts) and for benchmarks of what hosts run. */
export const BUNDLE_OPTIONS = {
  bundle: true,
  platform: 'node',
  format: 'esm',
  target: 'node22.18',
  // CommonJS packages call `require` for Node's own modules.
  banner: {
    js: "import { createRequire as bundledRequire } from 'node:module';const require = bundledRequire(import.meta.url);",
  },
  logLevel: 'warning',
} as const satisfies BuildOptions
