/** Decoded records for the views' tests. */
import type { FieldReader } from '../../src/cli/flow-fields.ts';

/** A record with those values; TCP from 10.0.0.1:40000 to 10.0.0.2:443 unless said otherwise. */
export function record(values: Record<string, unknown> = {}): FieldReader {
  const all: Record<string, unknown> = {
    sourceIPv4Address: '10.0.0.1',
    destinationIPv4Address: '10.0.0.2',
    sourceTransportPort: 40000,
    destinationTransportPort: 443,
    protocolIdentifier: 6,
    octetDeltaCount: 1000,
    packetDeltaCount: 10,
    tcpControlBits: 0x1b,
    ingressInterface: 2,
    flowEndReason: 2,
    flowStartMilliseconds: 1_700_000_000_000,
    flowEndMilliseconds: 1_700_000_001_000,
    ...values,
  };
  return (name) => all[name];
}

/** The same over IPv6. */
export function record6(values: Record<string, unknown> = {}): FieldReader {
  return record({
    sourceIPv4Address: undefined,
    destinationIPv4Address: undefined,
    sourceIPv6Address: '2001:db8::1',
    destinationIPv6Address: '2001:db8::2',
    ...values,
  });
}
