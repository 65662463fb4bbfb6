// A query's octets → the few numbers that answering needs, or "malformed". One Query object is filled again for
// each packet; respond.ts owns it.
import { readOpt } from './edns.ts'
import { maxLabels, readQuestionName, skipName } from './name.ts'
import { get16, headerLength, minUdpPayload, types } from './wire.ts'

/** What parseQuery found. Offsets count from the start of the message. */
export class Query {
  /** Offset of each label of the question's name; the root's follows the last. */
  readonly labels = new Uint16Array(maxLabels + 1)
  /** Labels of the question's name, the root not counted. */
  labelCount = 0
  /** Just past the question; `headerLength` when there is none that could be echoed. */
  questionEnd = headerLength
  type = 0
  class = 0
  hasEdns = false
  /** The requestor's UDP payload size, never below 512; 512 without EDNS (RFC 1035 §4.2.1). */
  udpPayload = minUdpPayload
  ednsVersion = 0
  dnssecOk = false
  /** The COOKIE option's data (RFC 7873 §4); length 0: none, or none that is well-formed. */
  cookieAt = 0
  cookieLength = 0
  /** RFC 5001 §2.1. */
  wantsNsid = false
}

/**
 * Reads the message of `length` octets (at least a header) into `query`. False when it is malformed: not
 * exactly one question (RFC 9619 §4; none is fine where a COOKIE is there to be answered, RFC 7873 §5.4), a name
 * or record that runs over the end, two OPT records or one outside the additional section or not at the root (RFC
 * 6891 §6.1.1), a cookie of an impossible length, or octets after the last record. What was read
 * before the fault stands, so that the response can echo the question and carry an OPT record.
 */
export function parseQuery(bytes: Uint8Array, length: number, query: Query): boolean {
  query.questionEnd = headerLength
  clearEdns(query)
  const questions = get16(bytes, 4)
  if (questions !== 1) return questions === 0 && readCookieQuery(bytes, length, query)
  const labelCount = readQuestionName(bytes, length, query.labels)
  if (labelCount < 0) return false
  const nameEnd = query.labels[labelCount]! + 1
  if (nameEnd + 4 > length) return false
  query.labelCount = labelCount
  query.type = get16(bytes, nameEnd)
  query.class = get16(bytes, nameEnd + 2)
  query.questionEnd = nameEnd + 4
  const ignored = get16(bytes, 6) + get16(bytes, 8)
  const records = ignored + get16(bytes, 10)
  if (records === 0) return query.questionEnd === length
  return readRecords(bytes, length, ignored, records, query)
}

/** Makes `query` one without an OPT record. */
export function clearEdns(query: Query): void {
  query.hasEdns = false
  query.udpPayload = minUdpPayload
  query.ednsVersion = 0
  query.dnssecOk = false
  query.cookieLength = 0
  query.wantsNsid = false
}

function readCookieQuery(bytes: Uint8Array, length: number, query: Query): boolean {
  query.labelCount = 0
  query.type = 0
  query.class = 0
  const ignored = get16(bytes, 6) + get16(bytes, 8)
  const isWellFormed = readRecords(bytes, length, ignored, ignored + get16(bytes, 10), query)
  return isWellFormed && query.cookieLength > 0
}

/** The records behind the question: OPT is read, all others are only checked for shape. */
function readRecords(
  bytes: Uint8Array,
  length: number,
  ignored: number,
  records: number,
  query: Query,
): boolean {
  let offset = query.questionEnd
  for (let index = 0; index < records; index++) {
    const fixed = skipName(bytes, offset, length)
    if (fixed < 0 || fixed + 10 > length) return false
    const dataLength = get16(bytes, fixed + 8)
    const next = fixed + 10 + dataLength
    if (next > length) return false
    if (get16(bytes, fixed) === types.OPT) {
      const atRoot = bytes[offset] === 0
      const repeated = query.hasEdns
      if (!readOpt(bytes, fixed, dataLength, query)) return false
      if (!atRoot || repeated || index < ignored) return false
    }
    offset = next
  }
  return offset === length
}
