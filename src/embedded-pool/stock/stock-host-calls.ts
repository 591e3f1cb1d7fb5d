import type { CallTable } from '../calls/call.ts'
import type { StockHostOperations } from './stock-host-operations.ts'

const ofHost = { parameters: 1, role: 'pool-operator', async: true } as const

/** The host operations of a stock xapi. They replace those of the project; `host.clear_order` is not among them. */
export function stockHostCalls(operations: StockHostOperations, restartAgent: (hostRef: string) => void): CallTable {
  return {
    'host.restart_agent': {
      ...ofHost,
      run: async args => {
        const host = args.ref('host')
        await operations.forward(host, 0)
        restartAgent(host)
      },
    },
    'host.disable': {
      ...ofHost,
      // `auto_enable` exists from xapi 25.31 on
      parameters: [1, 2],
      run: (args, context) =>
        operations.disable(args.ref('host'), args.more ? args.flag('auto_enable') : true, context),
    },
    'host.enable': { ...ofHost, run: (args, context) => operations.enable(args.ref('host'), context) },
    'host.evacuate': {
      ...ofHost,
      parameters: [1, 3],
      run: (args, context) => operations.evacuate(args.ref('host'), context),
    },
    'host.reboot': { ...ofHost, run: (args, context) => operations.takeDown(args.ref('host'), 'reboot', context) },
    'host.shutdown': { ...ofHost, run: (args, context) => operations.takeDown(args.ref('host'), 'shutdown', context) },
    'host.power_on': { ...ofHost, run: (args, context) => operations.powerOn(args.ref('host'), context) },
    'host.apply_updates': {
      ...ofHost,
      parameters: 2,
      run: (args, context) => {
        const host = args.ref('host')
        args.string('hash')
        return operations.applyUpdates(host, context)
      },
    },
  }
}
