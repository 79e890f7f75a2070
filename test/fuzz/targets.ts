/** Everything that is fuzzed. */

import type { FuzzTarget } from './target.ts';
import { captureFile } from './targets/capture-file.ts';
import { flowLog } from './targets/flow-log.ts';
import { flowRecord } from './targets/flow-record.ts';
import { message } from './targets/message.ts';
import { metering } from './targets/metering.ts';
import { packet } from './targets/packet.ts';
import { tunnel } from './targets/tunnel.ts';

export const targets: readonly FuzzTarget[] = [
  packet,
  captureFile,
  message,
  flowRecord,
  tunnel,
  flowLog,
  metering,
];
