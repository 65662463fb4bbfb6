// A self-signed certificate for tests, made by openssl where it is installed.
import { spawnSync } from 'node:child_process'
import { join } from 'node:path'

/** Writes `cert.pem` and `key.pem` for localhost and 127.0.0.1 into the folder; the common name tells them apart. */
export function makeCertificate(
  folder: string,
  commonName = 'mx.trap.example',
  names = 'DNS:localhost,IP:127.0.0.1',
  validity = ['-days', '2'],
) {
  const [certificateFile, keyFile] = [join(folder, 'cert.pem'), join(folder, 'key.pem')]
  const made = spawnSync('openssl', [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    ...validity,
    '-subj',
    `/CN=${commonName}`,
    '-addext',
    `subjectAltName=${names}`,
    '-keyout',
    keyFile,
    '-out',
    certificateFile,
  ])
  if (made.status !== 0) throw new Error(`openssl: ${made.stderr}`)
  return { certificateFile, keyFile }
}
