/** Mutated capture files, metered on the short way of plain packets and on the ordinary one: what comes of them is equal. */

import { strictEqual } from 'node:assert/strict';
import { PcapFileSource } from '../../../src/capture/pcap-file.ts';
import { difference, readBy, type Twin, twins } from '../../flow/twin-meters.ts';
import type { FuzzTarget } from '../target.ts';
import { captureFile, fileOf } from './capture-file.ts';

/** Both have gone through so many files before they are made anew: V8 is slow to give up their memory. */
const FILES = 2000;
const OPTIONS = { activeTimeoutMilliseconds: 50, idleTimeoutMilliseconds: 40, maxFlows: 5 };

let pair: [Twin, Twin] | undefined;
let left = 0;

export const metering: FuzzTarget = {
  name: 'metering',

  seeds: (random) => captureFile.seeds(random),

  async run(input) {
    if (pair === undefined || left-- === 0) {
      pair = twins(OPTIONS);
      left = FILES;
    }
    const path = fileOf(input);
    const [short, long] = await Promise.all(
      pair.map(async (twin) => {
        const reading = await readBy(new PcapFileSource({ path, chunkOctets: 1021 }), twin.meter);
        const seen = { ...reading, ...twin.state };
        twin.records.length = 0;
        return seen;
      }),
    );
    const found = difference({ short: short!, long: long! });
    if (found !== '') pair = undefined;
    strictEqual(found, '');
  },
};
