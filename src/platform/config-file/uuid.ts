import { z } from 'zod'

/** In small letters, as the pool has it: one that is written otherwise would be another one, of nobody. */
export const uuid = z
  .string()
  .regex(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i, 'must be a UUID')
  .toLowerCase()
