// What every file of conformance tests begins with: its server.
import { after, before } from 'node:test'
import type { NameserverOptions } from '../../src/nameserver/nameserver.ts'
import { type Subject, startSubject } from './dns-subject.ts'

/**
 * The server for the tests of the calling file: started before them and closed after them. Its fields are empty until
 * then. See `startSubject`.
 */
export function useSubject(overrides: Partial<NameserverOptions> = {}): Subject {
  const subject = {} as Subject
  before(async () => {
    Object.assign(subject, await startSubject(overrides))
  })
  after(() => subject.close?.())
  return subject
}
