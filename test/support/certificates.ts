/** Certificates made by openssl, in a folder of the test's. */
import { execFileSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { hasProgram } from './programs.ts';

/** For a test's `skip`. */
export const noOpenssl = hasProgram('openssl') ? false : 'openssl not installed (apt-get install openssl)';

export interface Certificate {
  /** Paths of PEM files. */
  readonly cert: string;
  readonly key: string;
}

/** A CA that nobody knows. */
export class Authority implements Certificate {
  readonly cert: string;
  readonly key: string;
  readonly #folder: string;

  constructor(folder: string, name: string) {
    this.#folder = folder;
    this.cert = join(folder, `${name}.pem`);
    this.key = join(folder, `${name}.key`);
    openssl('req', '-x509', ...newKey(this.key), '-subj', `/CN=${name}`, '-days', '2', '-out', this.cert);
  }

  /**
   * @param subjectAltName as `DNS:collector.example,IP:127.0.0.1`
   * @param days from now; negative: it has expired
   */
  issue(name: string, subjectAltName: string, days = 1): Certificate {
    const at = (suffix: string) => join(this.#folder, `${name}.${suffix}`);
    writeFileSync(at('ext'), `subjectAltName=${subjectAltName}\n`);
    openssl('req', '-new', ...newKey(at('key')), '-subj', `/CN=${name}`, '-out', at('csr'));
    openssl(
      ...['x509', '-req', '-in', at('csr'), '-CA', this.cert, '-CAkey', this.key, '-CAcreateserial'],
      ...['-days', String(days), '-extfile', at('ext'), '-out', at('pem')],
    );
    return { cert: at('pem'), key: at('key') };
  }
}

const newKey = (path: string) => [
  ...['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path],
];

export function openssl(...args: string[]): void {
  execFileSync('openssl', args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
