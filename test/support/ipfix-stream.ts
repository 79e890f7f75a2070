/** What Weir's own decoder makes of a stream of IPFIX Messages: a connection's octets, or a file's. */
import { MessageFramer } from '../../src/collect/collector.ts';
import { MessageDecoder } from '../../src/collect/decode.ts';
import { recordToJson } from '../../src/collect/json.ts';

export interface IpfixStream {
  /** Flow Records, as `weir read --json` prints them. */
  readonly lines: string[];
  readonly messages: number;
  /** By the sequence numbers. */
  readonly lostRecords: number;
  readonly missingTemplate: number;
  readonly malformed: number;
  /** Octets after the last whole Message. */
  readonly rest: number;
}

export function decodeStream(octets: Uint8Array): IpfixStream {
  const decoder = new MessageDecoder();
  const lines: string[] = [];
  const receiver = {
    record: (record: Parameters<typeof recordToJson>[0]) => void lines.push(recordToJson(record)),
    options: () => undefined,
  };
  const source = { address: '127.0.0.1', port: 1, transport: 'tcp' } as const;
  const framer = new MessageFramer((bytes) => void decoder.decode(bytes, source, receiver));
  const isIpfix = framer.push(octets);
  const { messages, lostRecords, missingTemplate, malformed } = decoder.counters;
  return {
    lines,
    messages,
    lostRecords,
    missingTemplate,
    malformed: Object.values(malformed).reduce((sum, n) => sum + n, isIpfix ? 0 : 1),
    rest: framer.rest.length,
  };
}
