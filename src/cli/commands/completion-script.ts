/** A command for the completion script. */
export interface CompletedCommand {
  readonly name: string
  /** The text of its `--help`, from which its options are read. */
  readonly help: string
}

type Operand = 'name' | 'path' | 'nothing'

/**
 * The completion script for bash. It contains the commands and options, and asks for the names of SRs and hosts when they are needed.
 * The shell never expands these names, because they come from outside.
 */
export function bashCompletion(commands: readonly CompletedCommand[]): string {
  return `# bash completion for resync-monitor: \`resync-monitor completion bash\` prints it

_resync_monitor_offer() {
  local word
  for word in "$@"; do
    [[ $word == "$cur"* ]] && COMPREPLY+=("$word")
  done
}

_resync_monitor_names() {
  local name
  while IFS= read -r name; do
    [[ $name == "$cur"* ]] && COMPREPLY+=("$name")
  done < <("\${COMP_WORDS[0]}" completion names 2>/dev/null)
}

_resync_monitor_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_resync_monitor() {
  local cur=\${COMP_WORDS[COMP_CWORD]} prev=\${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _resync_monitor_offer ${commands.map(({ name }) => name).join(' ')} --help
    return
  fi
  case "\${COMP_WORDS[1]} $prev" in
${commands.flatMap(valueArms).join('\n')}
  esac
  case \${COMP_WORDS[1]} in
${commands.map(commandArm).join('\n')}
  esac
}

complete -F _resync_monitor resync-monitor
`
}

/** The completion of an option's value. */
function valueArms({ name, help }: CompletedCommand): string[] {
  return optionsOf(help).flatMap(({ option, placeholder }) =>
    placeholder === null ? [] : [`    '${name} ${option}') ${afterOption(placeholder)}; return ;;`],
  )
}

function afterOption(placeholder: string): string {
  switch (placeholder) {
    case 'PATH':
    case 'FILE':
      return '_resync_monitor_paths'
    case 'SR':
    case 'HOST':
      return '_resync_monitor_names'
    case 'DURATION':
      return '_resync_monitor_offer 10m 1h 2h'
    default:
      return placeholder.includes('|') ? `_resync_monitor_offer ${placeholder.replaceAll('|', ' ')}` : ':'
  }
}

function commandArm({ name, help }: CompletedCommand): string {
  const options = ['--help', ...optionsOf(help).map(({ option }) => option)].join(' ')
  const operands = { name: '_resync_monitor_names', path: '_resync_monitor_paths', nothing: ':' } as const
  const operand = name === 'completion' ? '_resync_monitor_offer bash' : operands[operandOf(help)]
  return `    ${name}) if [[ $cur == -* ]]; then _resync_monitor_offer ${options}; else ${operand}; fi ;;`
}

/** The options in a help text, in order, each with the placeholder of its value. */
export function optionsOf(help: string): readonly { readonly option: string; readonly placeholder: string | null }[] {
  const found = new Map<string, string | null>()
  for (const [, option = '', placeholder = null] of optionTexts(help).matchAll(OPTION)) {
    if (option !== '--help') found.set(option, found.get(option) ?? placeholder)
  }
  return Array.from(found, ([option, placeholder]) => ({ option, placeholder }))
}

/** A placeholder is a word in capitals, or a choice of words (`project|stock`). */
const OPTION = /(?<![\w-])(--[a-z][a-z-]*)(?: ([A-Z]+\b|[a-z-]+(?:\|[a-z-]+)+))?/g

/** The usage lines, and the beginnings of the option lines. Other lines may name options of other programs. */
function optionTexts(help: string): string {
  const [usage = ''] = help.split('\n\n')
  const optionLines = help.split('\n').flatMap(line => /^ +(--[a-z-]+(?: \S+)?)/.exec(line)?.[1] ?? [])
  return [usage, ...optionLines].join('\n')
}

function operandOf(help: string): Operand {
  const [usage = ''] = help.split('\n')
  const operands = usage.replaceAll(/--[a-z-]+ [A-Z]+/g, '')
  if (/\b(?:SR|HOST)\b/.test(operands)) return 'name'
  return /\bPATH\b/.test(operands) ? 'path' : 'nothing'
}
