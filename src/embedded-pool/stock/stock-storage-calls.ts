import type { CallTable } from '../calls/call.ts'
import type { Database } from '../database/database.ts'
import type { StockHostOperations } from './stock-host-operations.ts'
import type { StockStorage } from './stock-storage.ts'

const ofStorage = { parameters: 1, role: 'pool-operator', async: true } as const

/** The methods of PBD and SR that ask the drivers of a stock xapi. */
export function stockStorageCalls(
  db: Database,
  storage: StockStorage,
  operations: Pick<StockHostOperations, 'forward'>,
): CallTable {
  const onHost = async (pbd: string, act: () => Promise<void>) => {
    await operations.forward(db.get('PBD', pbd)?.host ?? '', 0)
    await act()
  }
  return {
    'PBD.plug': {
      ...ofStorage,
      run: args => {
        const pbd = args.ref('PBD')
        return onHost(pbd, () => storage.plug(pbd))
      },
    },
    'PBD.unplug': {
      ...ofStorage,
      run: args => {
        const pbd = args.ref('PBD')
        return onHost(pbd, () => storage.unplug(pbd))
      },
    },
    'SR.scan': { ...ofStorage, role: 'vm-power-admin', run: args => storage.scan(args.ref('SR')) },
    'SR.update': {
      ...ofStorage,
      run: async args => {
        const sr = args.ref('SR')
        await storage.health.stat(sr)
        storage.update(sr)
      },
    },
  }
}
