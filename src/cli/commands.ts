import { demo } from './demo/demo.ts'
import type { Command } from './terminal.ts'

export const COMMANDS: readonly Command[] = [demo]
