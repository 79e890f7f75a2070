import { existsSync } from 'node:fs';
import { resolve } from 'node:path';

/** tcpdump's own test captures, beside the checkout (tests run compiled, three folders below its top). */
export const CORPUS = resolve(import.meta.dirname, '../../../../shared/corpus/tcpdump');

/** For a test's `skip`. */
export const corpusMissing = existsSync(CORPUS) ? false : `no corpus: ${CORPUS} does not exist`;
