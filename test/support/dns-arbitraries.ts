// Queries for fast-check, well-formed and spoilt: names around the subject's zone and entries, any type, class,
// opcode and EDNS, and damage that packets may suffer on their way.
import { buildOpt, buildQuery, types } from './dns-query.ts'
import { subjectZone } from './dns-subject.ts'
import fc from './properties.ts'

const cookieOption = 10

export const label = fc.oneof(
  { weight: 4, arbitrary: fc.integer({ min: 0, max: 300 }).map(String) },
  { weight: 4, arbitrary: fc.constantFrom(...'0123456789abcdefABCDEFg') },
  fc.constantFrom('ns1', 'deep', 'www', 'long', 'huge', 'alias', '_status', '_STATUS', '00', '*'),
  fc
    .string({ minLength: 1, maxLength: 63, unit: 'binary-ascii' })
    .map((text) => text.replaceAll('.', '-')),
)
const suffix = fc.constantFrom(
  subjectZone.origin,
  subjectZone.origin.toUpperCase(),
  subjectZone.origin,
  'test.example',
  'version.bind',
  '',
)
const type = fc.oneof(fc.constantFrom(...Object.values(types)), fc.integer({ min: 0, max: 65_535 }))

/** A query, and the maximum number of octets that its sender accepts over UDP (RFC 6891 §6.2.3). */
export const wellFormedAndLimit = fc
  .record({
    labels: fc.array(label, { maxLength: 6 }),
    suffix,
    type,
    class: fc.constantFrom(1, 1, 1, 3, 255, 0),
    id: fc.integer({ min: 0, max: 65_535 }),
    opcode: fc.constantFrom(0, 0, 0, 0, 4, 5, 2, 15),
    flags: fc.integer({ min: 0, max: 0x7ff }),
    edns: fc.option(
      fc.record({
        payload: fc.integer({ min: 0, max: 65_535 }),
        version: fc.constantFrom(0, 0, 0, 1, 255),
        flags: fc.integer({ min: 0, max: 65_535 }),
        options: fc.array(
          fc.oneof(
            fc.record({
              // A cookie has its own rules of length.
              code: fc.integer({ min: 0, max: 65_535 }).filter((code) => code !== cookieOption),
              data: fc.array(fc.integer({ min: 0, max: 255 }), { maxLength: 40 }),
            }),
            fc.record({
              code: fc.constant(cookieOption),
              data: fc
                .array(fc.integer({ min: 0, max: 255 }), { minLength: 16, maxLength: 40 })
                .map((octets) => (octets[0] === 0 ? octets.slice(0, 8) : octets)),
            }),
          ),
          { maxLength: 4 },
        ),
      }),
    ),
  })
  .map(({ labels, suffix: rest, type: qtype, edns, ...options }) => {
    const name = [...labels, rest].join('.')
    const query = buildQuery(name, qtype, edns === null ? options : { ...options, edns })
    return { query, limit: Math.max(512, edns?.payload ?? 0) }
  })
export const wellFormed = wellFormedAndLimit.map(({ query }) => query)

/** Queries with octets changed, cut off or appended. */
export const spoilt = (queries: fc.Arbitrary<Buffer>) =>
  fc
    .record({
      query: queries,
      changes: fc.array(
        fc.record({
          at: fc.nat(),
          octet: fc.oneof(
            fc.constantFrom(0, 0xc0, 0x0c, 0xff, 1, 41),
            fc.integer({ min: 0, max: 255 }),
          ),
        }),
        { maxLength: 6 },
      ),
      cutTo: fc.option(fc.nat()),
      tail: fc.oneof(
        fc.constant(Buffer.alloc(0)),
        fc.constant(buildOpt({})),
        fc.uint8Array({ maxLength: 40 }).map((octets) => Buffer.from(octets)),
      ),
    })
    .map(({ query, changes, cutTo, tail }) => {
      const octets = Buffer.concat([query, tail])
      for (const { at, octet } of changes) octets[at % octets.length] = octet
      return cutTo === null ? octets : octets.subarray(0, cutTo % (octets.length + 1))
    })

export const mutated = spoilt(wellFormed)
