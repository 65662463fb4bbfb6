// A query's octets → the numbers that answering needs, or "malformed". One Query object is filled again for each packet.
import { Edns } from './edns.ts'
import { maxLabels, readQuestionName, skipName } from './name.ts'
import { get16, headerLength, types } from './wire.ts'

/** What parseQuery found. Offsets count from the start of the message. */
export class Query {
  /** Offset of each label of the question's name, followed by the root's. */
  readonly labels = new Uint16Array(maxLabels + 1)
  /** Number of labels of the question's name, without the root. */
  labelCount = 0
  /** Offset after the question; `headerLength` if there is no question that could be sent back. */
  questionEnd = headerLength
  type = 0
  class = 0
  /** Whether there is a TSIG record; it is not checked here. */
  isSigned = false
  readonly edns = new Edns()
}

/**
 * Reads the message of `length` octets (at least a header) into `query`. Returns false if it is malformed, that is:
 * - not exactly one question (RFC 9619 §4), or none and no COOKIE to answer (RFC 7873 §5.4)
 * - a name or record that runs past the end, or octets after the last record
 * - two OPT records, or one outside the additional section or not at the root (RFC 6891 §6.1.1)
 * - a cookie of an impossible length
 * What was read before the fault stays in `query`, so that the response can repeat the question and carry an OPT record.
 */
export function parseQuery(bytes: Uint8Array, length: number, query: Query): boolean {
  query.questionEnd = headerLength
  query.labelCount = 0
  query.type = 0
  query.class = 0
  query.isSigned = false
  query.edns.clear()
  const questions = get16(bytes, 4)
  if (questions > 1 || (questions === 1 && !readQuestion(bytes, length, query))) return false
  return readRecords(bytes, length, query) && (questions === 1 || query.edns.cookieLength > 0)
}

function readQuestion(bytes: Uint8Array, length: number, query: Query): boolean {
  const labelCount = readQuestionName(bytes, length, query.labels)
  if (labelCount < 0) return false
  const nameEnd = query.labels[labelCount]! + 1
  if (nameEnd + 4 > length) return false
  query.labelCount = labelCount
  query.type = get16(bytes, nameEnd)
  query.class = get16(bytes, nameEnd + 2)
  query.questionEnd = nameEnd + 4
  return true
}

/** Reads the records after the question. Reads the content of OPT and skips that of all others. */
function readRecords(bytes: Uint8Array, length: number, query: Query): boolean {
  const beforeAdditional = get16(bytes, 6) + get16(bytes, 8)
  const records = beforeAdditional + get16(bytes, 10)
  let offset = query.questionEnd
  for (let index = 0; index < records; index++) {
    const fixed = skipName(bytes, offset, length)
    if (fixed < 0 || fixed + 10 > length) return false
    const dataLength = get16(bytes, fixed + 8)
    const next = fixed + 10 + dataLength
    if (next > length) return false
    if (get16(bytes, fixed) === types.TSIG) query.isSigned = true
    if (get16(bytes, fixed) === types.OPT) {
      const isAtRoot = bytes[offset] === 0
      const isRepeated = query.edns.isPresent
      if (!query.edns.read(bytes, fixed, dataLength)) return false
      if (!isAtRoot || isRepeated || index < beforeAdditional) return false
    }
    offset = next
  }
  return offset === length
}

/** Whether a question of this type asks for a zone transfer (RFC 5936, RFC 1995). */
export function isTransfer(type: number): boolean {
  return type === types.AXFR || type === types.IXFR
}
