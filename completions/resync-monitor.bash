# bash completion for resync-monitor: `resync-monitor completion bash` prints it

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
  done < <("${COMP_WORDS[0]}" completion names 2>/dev/null)
}

_resync_monitor_paths() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$cur")
}

_resync_monitor() {
  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]}
  COMPREPLY=()
  if ((COMP_CWORD == 1)); then
    _resync_monitor_offer status watch explain wait can-reboot override clear-order reserve doctor agent updater demo inspect what-if completion --help
    return
  fi
  case "${COMP_WORDS[1]} $prev" in
    'status --socket') _resync_monitor_paths; return ;;
    'watch --socket') _resync_monitor_paths; return ;;
    'explain --socket') _resync_monitor_paths; return ;;
    'wait --sr') _resync_monitor_names; return ;;
    'wait --host') _resync_monitor_names; return ;;
    'wait --timeout') _resync_monitor_offer 10m 1h 2h; return ;;
    'wait --unknown-after') _resync_monitor_offer 10m 1h 2h; return ;;
    'wait --operator-after') _resync_monitor_offer 10m 1h 2h; return ;;
    'wait --socket') _resync_monitor_paths; return ;;
    'can-reboot --socket') _resync_monitor_paths; return ;;
    'override --reason') :; return ;;
    'override --for') _resync_monitor_offer 10m 1h 2h; return ;;
    'override --by') :; return ;;
    'override --clear') _resync_monitor_names; return ;;
    'override --socket') _resync_monitor_paths; return ;;
    'clear-order --reason') :; return ;;
    'clear-order --socket') _resync_monitor_paths; return ;;
    'reserve --for') _resync_monitor_offer 10m 1h 2h; return ;;
    'reserve --socket-xapi') _resync_monitor_paths; return ;;
    'reserve --config') _resync_monitor_paths; return ;;
    'doctor --socket-xapi') _resync_monitor_paths; return ;;
    'doctor --config') _resync_monitor_paths; return ;;
    'agent --config') _resync_monitor_paths; return ;;
    'updater --config') _resync_monitor_paths; return ;;
    'updater --toolstack') :; return ;;
    'updater --state') _resync_monitor_paths; return ;;
    'demo --speed') :; return ;;
    'demo --port') :; return ;;
    'demo --scenario') :; return ;;
    'inspect --format') :; return ;;
    'inspect --mdstat') _resync_monitor_paths; return ;;
    'what-if --rules') _resync_monitor_offer project stock; return ;;
    'what-if --policy') _resync_monitor_offer conservative placement; return ;;
    'what-if --now') :; return ;;
    'completion --socket') _resync_monitor_paths; return ;;
  esac
  case ${COMP_WORDS[1]} in
    status) if [[ $cur == -* ]]; then _resync_monitor_offer --help --socket --json; else _resync_monitor_names; fi ;;
    watch) if [[ $cur == -* ]]; then _resync_monitor_offer --help --socket --json; else _resync_monitor_names; fi ;;
    explain) if [[ $cur == -* ]]; then _resync_monitor_offer --help --socket --json; else _resync_monitor_names; fi ;;
    wait) if [[ $cur == -* ]]; then _resync_monitor_offer --help --sr --host --timeout --unknown-after --operator-after --socket --json; else :; fi ;;
    can-reboot) if [[ $cur == -* ]]; then _resync_monitor_offer --help --socket --json; else _resync_monitor_names; fi ;;
    override) if [[ $cur == -* ]]; then _resync_monitor_offer --help --reason --for --by --clear --list --socket --json; else _resync_monitor_names; fi ;;
    clear-order) if [[ $cur == -* ]]; then _resync_monitor_offer --help --reason --socket --json; else _resync_monitor_names; fi ;;
    reserve) if [[ $cur == -* ]]; then _resync_monitor_offer --help --for --remove --socket-xapi --config --json; else _resync_monitor_names; fi ;;
    doctor) if [[ $cur == -* ]]; then _resync_monitor_offer --help --socket-xapi --config --json; else :; fi ;;
    agent) if [[ $cur == -* ]]; then _resync_monitor_offer --help --config; else :; fi ;;
    updater) if [[ $cur == -* ]]; then _resync_monitor_offer --help --config --toolstack --state; else :; fi ;;
    demo) if [[ $cur == -* ]]; then _resync_monitor_offer --help --speed --port --json --scenario --exit; else :; fi ;;
    inspect) if [[ $cur == -* ]]; then _resync_monitor_offer --help --format --mdstat --transitions --json; else _resync_monitor_paths; fi ;;
    what-if) if [[ $cur == -* ]]; then _resync_monitor_offer --help --rules --policy --now; else _resync_monitor_paths; fi ;;
    completion) if [[ $cur == -* ]]; then _resync_monitor_offer --help --socket; else _resync_monitor_offer bash; fi ;;
  esac
}

complete -F _resync_monitor resync-monitor
