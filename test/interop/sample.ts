/** The capture that the peers are shown: a random one of every link type, in a folder that the test takes away. */

import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DEFAULTS } from '../oracle/oracle.ts';
import { type RandomCaptureOptions, randomCapture } from '../oracle/random-capture.ts';
import type { Test } from './peers.ts';

/** Whose packets hold nothing that the peers show otherwise: no ICMPv6 over IPv4, no protocol without a
 * name, no IPv6 address that ends like one of IPv4. */
const SEED = 20_261_127;

/** Writes a random capture; returns its path. By default: pcapng, some 600 records of both IP versions. */
export function sampleCapture(t: Test, options: Partial<RandomCaptureOptions> = {}): string {
  const folder = mkdtempSync(join(tmpdir(), 'weir-sample-'));
  t.teardown(() => rmSync(folder, { recursive: true }));
  const path = join(folder, 'sample.pcap');
  writeFileSync(path, randomCapture({ seed: SEED, format: 'pcapng', ...DEFAULTS, ...options }));
  return path;
}
