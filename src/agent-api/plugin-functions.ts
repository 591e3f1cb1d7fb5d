import type { z } from 'zod'
import { parseJson } from '../platform/json/parse-json.ts'
import { CanRebootAnswer, GateAnswer } from './answers.ts'
import type { MethodFailure } from './serve-methods.ts'

/**
 * The XenAPI plugin: `host.call_plugin(host, "resync-monitor", FUNCTION, ARGUMENTS)`. On a stock toolstack the script
 * plugin/xapi-plugins/resync-monitor passes a call to the agent of that host; an embedded pool answers by itself. Every function
 * returns JSON as text.
 */
export const PLUGIN_NAME = 'resync-monitor'

export const PLUGIN_FUNCTIONS = {
  report: { about: 'host', args: 'sr', summary: 'the report of that host about the SR' },
  status: {
    about: 'host',
    args: '',
    summary: 'every SR that the host watches, with its state: `[{"sr": …, "state": …}]`',
  },
  gate: { about: 'pool', args: '', summary: "the gate's decisions for every host (`GateAnswer`)" },
  'can-reboot': {
    about: 'pool',
    args: 'hosts',
    summary: 'whether these hosts may be down together (`CanRebootAnswer`); UUIDs or names, separated by commas',
  },
} as const

export type PluginFunction = keyof typeof PLUGIN_FUNCTIONS

/** A failure is `XENAPI_PLUGIN_FAILURE` with the function, one of these, and a sentence. */
export const PLUGIN_ERRORS = {
  UnknownFunction: 'The plugin has no such function.',
  InvalidArgument: 'An argument is missing or makes no sense.',
  NotWatched: 'The host does not watch that SR.',
  NoToolstack: 'No toolstack is configured for the agent of the host, so it cannot ask the pool.',
  ToolstackUnreachable: 'The toolstack does not answer the agent, or not in time.',
  NoGate: 'No updater of resync-monitor runs behind the toolstack.',
  Refused: 'The toolstack refused a call of the agent.',
  AgentUnreachable: 'The agent of the host does not answer.',
  NoAgent: "The configuration of the embedded pool has no address of that host's agent.",
  NoReport: "The host's agent answered the embedded pool with an error.",
} as const

export type PluginErrorName = keyof typeof PLUGIN_ERRORS

/** The error of the plugin for each way in which the pool has no answer. */
export const PLUGIN_ERROR_OF: Readonly<Record<MethodFailure['kind'], PluginErrorName>> = {
  invalid: 'InvalidArgument',
  notWatched: 'NotWatched',
  noToolstack: 'NoToolstack',
  toolstackUnreachable: 'ToolstackUnreachable',
  noGate: 'NoGate',
  refused: 'Refused',
  tooManyWaiters: 'Refused',
}

export const UNKNOWN_FUNCTION_TEXT = `the functions are ${Object.keys(PLUGIN_FUNCTIONS).join(', ')}`

/**
 * The argument with which an agent asks the coordinator's plugin. An agent that finds it does not ask again: where the
 * toolstack has no gate of its own, the coordinator's agent would ask itself endlessly.
 */
export const ASKED_BY_AGENT = 'asked_by_agent'

/** The functions about the pool, and the shape of what each returns. */
const POOL_ANSWERS = { gate: GateAnswer, 'can-reboot': CanRebootAnswer } as const

export type PoolFunction = keyof typeof POOL_ANSWERS
export type PoolAnswerOf<Function extends PoolFunction> = z.output<(typeof POOL_ANSWERS)[Function]>

/** The gate's answer has at most 768 KiB of reasons, and the hosts. In UTF-16 units. */
const MAX_ANSWER_LENGTH = 4_194_304
/** What one request of the agent's socket holds. */
const MAX_HOSTS_LENGTH = 65_536

export function isPluginFunction(name: unknown): name is PluginFunction {
  return typeof name === 'string' && Object.hasOwn(PLUGIN_FUNCTIONS, name)
}

export function isPoolFunction(name: unknown): name is PoolFunction {
  return isPluginFunction(name) && PLUGIN_FUNCTIONS[name].about === 'pool'
}

/**
 * Reads what a function about the pool returned. Keys that are not known here are kept: a client of the agent may be newer.
 * @returns `null` if the text is no answer to this function
 */
export function readPoolAnswer<Function extends PoolFunction>(
  fn: Function,
  text: string,
): PoolAnswerOf<Function> | null {
  const parsed = parseJson(text, MAX_ANSWER_LENGTH)
  return 'value' in parsed && isPoolAnswer(fn, parsed.value) ? parsed.value : null
}

export function isPoolAnswer<Function extends PoolFunction>(
  fn: Function,
  value: unknown,
): value is PoolAnswerOf<Function> {
  return POOL_ANSWERS[fn].safeParse(value).success
}

/**
 * Reads the argument `hosts`: UUIDs or names, separated by commas; or a JSON list, for names that contain a comma.
 */
export function parseHosts(text: string): readonly string[] {
  return (jsonList(text) ?? text.split(',')).map(host => host.trim()).filter(host => host !== '')
}

/** Writes the argument `hosts` so that `parseHosts` reads it, whatever the names contain. */
export function formatHosts(hosts: readonly string[]): string {
  return JSON.stringify(hosts)
}

function jsonList(text: string): readonly string[] | null {
  if (!text.trimStart().startsWith('[')) return null
  const parsed = parseJson(text, MAX_HOSTS_LENGTH)
  const value = 'value' in parsed ? parsed.value : null
  return Array.isArray(value) && value.every(each => typeof each === 'string') ? value : null
}
