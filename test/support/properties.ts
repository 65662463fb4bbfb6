// fast-check, as all tests use it, and where random tests begin.
import fc from 'fast-check'

/**
 * Where the environment says CI, every run draws the same values: a rare one must not refuse a change that has nothing to do with
 * it. Elsewhere every run draws others.
 */
export const fixedSeed = process.env['CI'] ? 1 : undefined

if (fixedSeed !== undefined) fc.configureGlobal({ ...fc.readConfigureGlobal(), seed: fixedSeed })

export default fc
