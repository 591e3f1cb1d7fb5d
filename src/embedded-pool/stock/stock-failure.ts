import { messageOf } from '../../platform/errors.ts'
import { CallFailure } from '../calls/api-failure.ts'

/** An error that only a stock xapi raises. */
export class StockFailure extends CallFailure {}

/** Asks the driver of an SR. @throws StockFailure the driver has failed */
export async function askDriver<T>(ask: () => Promise<T>): Promise<T> {
  try {
    return await ask()
  } catch (error) {
    throw new StockFailure(['SR_BACKEND_FAILURE', messageOf(error)])
  }
}
