export { type OperationsChange, Updater } from './updater.ts'
