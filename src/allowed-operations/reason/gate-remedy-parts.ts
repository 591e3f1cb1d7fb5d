import { shellWord } from '../../platform/text/shell-word.ts'
import { AGENT_UNIT } from '../../sync-query/reason/remedy-context.ts'
import type { GateRemedy, GateRemedyContext } from './gate-reason-kind.ts'

export function waitForHost({ host }: GateRemedyContext, text: string): GateRemedy {
  return { text, steps: [{ on: 'anywhere', commands: [`resync-monitor wait --host ${shellWord(host.name)}`] }] }
}

/** For reports that time brings: check the agent first. */
export function checkAgent(text: string): GateRemedy {
  return {
    text,
    steps: [
      { on: 'host', commands: [`systemctl status ${AGENT_UNIT}`, `journalctl -u ${AGENT_UNIT} -n 50 --no-pager`] },
    ],
  }
}

export function checkAgentAndClock(text: string): GateRemedy {
  return { text, steps: [{ on: 'host', commands: [`systemctl status ${AGENT_UNIT}`, 'chronyc tracking'] }] }
}

export function restartAgent(text: string): GateRemedy {
  return { text, steps: [{ on: 'host', commands: [`systemctl restart ${AGENT_UNIT}`] }] }
}

/** The pool may only have lost contact with the host: cheap and harmless commands come first. */
export function bringHostBack({ host }: GateRemedyContext): GateRemedy {
  return {
    text: 'The pool gets no heartbeats from it. Check whether the machine runs, and then its agent. If it is down, power it on: by hand if it has no power-on mode. Only if it is gone for good, forget it (xe host-forget).',
    warning: 'Forgetting a host cannot be undone, and its local storage is given up with it.',
    steps: [
      { on: 'host', commands: [`systemctl status ${AGENT_UNIT}`] },
      { on: 'coordinator', commands: [`xe host-power-on uuid=${shellWord(host.uuid)}`] },
    ],
  }
}
