/** The PEM files that TLS needs: read, and checked, so that what is wrong is said in words. */
import { createPrivateKey, X509Certificate } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** Paths, as in config/. */
export interface TlsFiles {
  /** CAs that are trusted, and no others; undefined: the system's. */
  readonly ca?: string | undefined;
  /** The exporter's own certificate (with what leads to its CA) and key: both or neither. */
  readonly cert?: string | undefined;
  readonly key?: string | undefined;
}

/** As node:tls takes them. */
export interface TlsCredentials {
  readonly ca?: Buffer;
  readonly cert?: Buffer;
  readonly key?: Buffer;
}

/** Where Linux distributions and the BSDs keep the roots that their administrator trusts. */
export const SYSTEM_ROOTS: readonly string[] = [
  '/etc/ssl/certs/ca-certificates.crt', // Debian, Alpine, Arch
  '/etc/pki/tls/certs/ca-bundle.crt', //   Fedora, Red Hat, Amazon Linux
  '/etc/ssl/ca-bundle.pem', //             SUSE
  '/etc/ssl/cert.pem', //                  BSD, macOS
];

/**
 * Reads and checks the files. Without `ca` it is the first of the system's roots that exists; where none does,
 * Node's own are used.
 * @throws Error with a sentence that names the parameter and the file
 */
export function readTlsFiles(files: TlsFiles, systemRoots: readonly string[] = SYSTEM_ROOTS): TlsCredentials {
  const ca = files.ca === undefined ? readFirst(systemRoots) : readCertificates('ca', files.ca);
  if (files.cert === undefined || files.key === undefined) return ca === undefined ? {} : { ca };
  const cert = readCertificates('cert', files.cert);
  const key = read('key', files.key);
  if (!new X509Certificate(cert).checkPrivateKey(parseKey(key, files.key))) {
    throw new Error(
      `key: ${files.key} is not the key of the certificate in ${files.cert}; give the two that belong together`,
    );
  }
  return { ...(ca === undefined ? {} : { ca }), cert, key };
}

function readFirst(paths: readonly string[]): Buffer | undefined {
  for (const path of paths) {
    try {
      return readFileSync(path);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    }
  }
  return undefined;
}

function read(parameter: string, path: string): Buffer {
  try {
    return readFileSync(path);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    const known: Record<string, string> = {
      ENOENT: 'there is no such file',
      EACCES: 'Weir may not read it',
      EISDIR: 'it is a directory; give a file of PEM',
    };
    throw new Error(`${parameter}: ${path}: ${known[code ?? ''] ?? message}`);
  }
}

function readCertificates(parameter: string, path: string): Buffer {
  const pem = read(parameter, path);
  try {
    new X509Certificate(pem);
  } catch {
    throw new Error(`${parameter}: ${path} holds no certificate; give PEM ("-----BEGIN CERTIFICATE-----")`);
  }
  return pem;
}

function parseKey(pem: Buffer, path: string) {
  try {
    return createPrivateKey(pem);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new Error(
      code === 'ERR_MISSING_PASSPHRASE' || pem.includes('ENCRYPTED')
        ? `key: ${path} is encrypted, and nobody is there to type a passphrase; give the key without one (openssl pkey -in …)`
        : `key: ${path} holds no private key; give PEM ("-----BEGIN PRIVATE KEY-----")`,
    );
  }
}
