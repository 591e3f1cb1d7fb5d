import { CallFailure } from '../calls/api-failure.ts'

/** An error that only a stock xapi raises. */
export class StockFailure extends CallFailure {}
