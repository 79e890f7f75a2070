/** What the tests use of the npm package pcap-parser, which brings no types. */
declare module 'pcap-parser' {
  import type { EventEmitter } from 'node:events';

  export interface PcapParserPacket {
    header: {
      timestampSeconds: number;
      timestampMicroseconds: number;
      capturedLength: number;
      originalLength: number;
    };
    data: Buffer;
  }

  /** Emits 'packet' for each, then 'end'; or 'error'. */
  export function parse(path: string): EventEmitter<{
    packet: [PcapParserPacket];
    end: [];
    error: [Error];
  }>;
}
