// Reads and checks the PEM files of the SMTP listener.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { OperationalError, wrongKey, wrongKeys } from '../errors.ts'
import type { Certificate } from './smtp.ts'

/** Paths of PEM files. Give both; without them the listener offers no STARTTLS. */
export interface CertificateFiles {
  readonly certificateFile?: string
  readonly keyFile?: string
}

/**
 * Returns undefined if no files are configured. Throws OperationalError `config-invalid` naming each key whose file cannot be
 * read, is not a certificate or key, or does not match the other file.
 */
export async function readCertificate({
  certificateFile = '',
  keyFile = '',
}: CertificateFiles): Promise<Certificate | undefined> {
  if (certificateFile === '' || keyFile === '') return undefined
  const certificate = await readPem(
    'trapSmtp.certificateFile',
    certificateFile,
    (pem) => new X509Certificate(pem),
  )
  const key = await readPem('trapSmtp.keyFile', keyFile, createPrivateKey)
  if (certificate instanceof OperationalError || key instanceof OperationalError) {
    throw wrongKeys([certificate, key].filter((each) => each instanceof OperationalError))
  }
  if (!certificate.read.checkPrivateKey(key.read)) {
    throw wrongKey('trapSmtp.keyFile', 'does not belong to the certificate in certificateFile')
  }
  const pair = { cert: certificate.pem, key: key.pem }
  try {
    createSecureContext(pair)
  } catch (error) {
    throw wrongKey('trapSmtp.certificateFile', error)
  }
  return pair
}

async function readPem<T>(
  key: string,
  path: string,
  read: (pem: string) => T,
): Promise<{ readonly pem: string; readonly read: T } | OperationalError> {
  try {
    const pem = await readFile(path, 'utf8')
    return { pem, read: read(pem) }
  } catch (error) {
    return wrongKey(key, error)
  }
}
