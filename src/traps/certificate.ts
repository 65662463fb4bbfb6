// The PEM files of the live listener → a certificate that TLS can use.
import { createPrivateKey, X509Certificate } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { createSecureContext } from 'node:tls'
import { OperationalError, wrongKey, wrongKeys } from '../errors.ts'
import type { Certificate } from './smtp.ts'

/** Paths of PEM files; both, or neither for no STARTTLS. */
export interface CertificateFiles {
  readonly certificateFile?: string
  readonly keyFile?: string
}

/**
 * Undefined without files. Throws OperationalError `config-invalid` that names each key whose file cannot be read, is
 * not what it should be, or does not belong to the other.
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
