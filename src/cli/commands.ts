import { demo } from './demo/demo.ts'
import { inspect } from './inspect/inspect.ts'
import type { Command } from './terminal.ts'
import { whatIfCommand } from './what-if.ts'

export const COMMANDS: readonly Command[] = [demo, inspect, whatIfCommand]
