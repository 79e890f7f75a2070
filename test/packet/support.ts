/** What the decoder's tests share: tables of annotated bytes, frames that end exactly at the capture, views as plain objects. */

import type { Test } from 'tap';
import { Frame } from '../../src/capture/packet-source.ts';
import { decode } from '../../src/packet/decode.ts';
import { METERED } from '../../src/packet/packet-layout.ts';
import { IGNORED_REASONS, type IgnoredReason, PacketView } from '../../src/packet/packet-view.ts';
import { octets } from '../support/octets.ts';

/** What is known of a frame beside its octets. */
export type About = Partial<
  Pick<Frame, 'linkType' | 'wireLength' | 'strippedVlanTci' | 'gsoType' | 'gsoSize'>
>;

/** What `decode` writes, as a plain object; addresses as text, `macAddressesOffset` counted from the frame's first octet. */
export type Fields = {
  -readonly [Name in Exclude<
    keyof PacketView,
    'words' | 'floats' | 'base' | 'clearRare' | 'addresses' | 'withTcp'
  >]: number;
} & { addresses: string };

/** What a new view shows: nothing is known. */
export const NOTHING: Fields = {
  ipVersion: 0,
  addresses: 'none',
  ipOctets: 0,
  packets: 1,
  protocolIdentifier: 0,
  ipClassOfService: 0,
  ipTTL: 0,
  sourceTransportPort: 0,
  destinationTransportPort: 0,
  tcpControlBits: 0,
  vlanId: 0,
  customerVlanId: 0,
  mplsTopLabelStackSection: 0,
  mplsLabelStackSection2: 0,
  flowLabelIPv6: 0,
  fragment: 0,
  fragmentIdentification: 0,
  macAddressesOffset: -1,
};

/** Octets that lie in front of and behind the frame in memory, where nobody may read. */
const MARGIN = 23;

/**
 * Frames for one capture, laid out in two ways. `atStart`: its DataView is the capture and nothing else, so that a
 * read outside throws. `within`: it begins behind other octets, so that a forgotten `frame.offset` shows.
 */
export function framesOf(captured: Uint8Array, about: About): { atStart: Frame; within: Frame } {
  const memory = new Uint8Array(MARGIN + captured.length + MARGIN).fill(0x45);
  memory.set(captured, MARGIN);
  const atStart = Object.assign(new Frame(), { wireLength: captured.length }, about);
  atStart.view = new DataView(memory.buffer, MARGIN, captured.length);
  atStart.capturedLength = captured.length;
  const within = Object.assign(new Frame(), atStart);
  within.view = new DataView(memory.buffer, 0, MARGIN + captured.length);
  within.offset = MARGIN;
  return { atStart, within };
}

/** The view of a packet that is metered, as text can show it. */
export function fieldsOf(view: PacketView, frame: Frame): Fields {
  const fields = { ...NOTHING };
  for (const name of Object.keys(NOTHING) as (keyof Fields)[]) {
    if (name !== 'addresses') fields[name] = view[name];
  }
  if (view.macAddressesOffset >= 0) fields.macAddressesOffset -= frame.offset;
  fields.addresses = addressText(view.ipVersion, new Uint8Array(view.addresses.slice().buffer));
  return fields;
}

/** Source and destination. IPv6 in full, without `::`; all zero is none. */
export function addressText(ipVersion: number, memory: Uint8Array): string {
  if (memory.every((octet) => octet === 0)) return NOTHING.addresses;
  if (ipVersion === 6) {
    const groups = Array.from({ length: 16 }, (_, i) =>
      (memory[2 * i]! * 256 + memory[2 * i + 1]!).toString(16),
    );
    return `${groups.slice(0, 8).join(':')} ${groups.slice(8).join(':')}`;
  }
  return `${memory.slice(0, 4).join('.')} ${memory.slice(4, 8).join('.')}`;
}

export type Outcome = IgnoredReason | 'metered';

/** The name of what `decode` returned. */
export function outcomeOf(result: number): Outcome {
  if (result === METERED) return 'metered';
  const reason = IGNORED_REASONS[result - 1];
  if (reason === undefined) throw new Error(`decode returned ${result}, which is no reason`);
  return reason;
}

/** Decodes one capture into a new view; of a packet that is ignored the fields mean nothing, and are {@link NOTHING}'s. */
export function decodeOctets(captured: Uint8Array, about: About = {}): { outcome: Outcome; fields: Fields } {
  const view = new PacketView();
  const frame = framesOf(captured, about).atStart;
  const outcome = outcomeOf(decode(frame, view));
  return { outcome, fields: outcome === 'metered' ? fieldsOf(view, frame) : NOTHING };
}

/** One row of a table: annotated bytes, and why they are ignored, or the fields that differ from {@link NOTHING}. */
export type Row = { what: string; bytes: string; about?: About } & (
  | { outcome: IgnoredReason }
  | { outcome?: never; fields?: Partial<Fields> }
);

/** Checks every row in both layouts; a row names all fields that are not {@link NOTHING}'s. */
export function checkTable(t: Test, rows: readonly Row[]): void {
  for (const row of rows) {
    const { atStart, within } = framesOf(octets(row.bytes), row.about ?? {});
    for (const [layout, frame] of Object.entries({ atStart, within })) {
      const view = new PacketView();
      const outcome = outcomeOf(decode(frame, view));
      const what = `${row.what} (${layout})`;
      t.equal(outcome, row.outcome ?? 'metered', what);
      if (row.outcome === undefined) t.strictSame(fieldsOf(view, frame), { ...NOTHING, ...row.fields }, what);
    }
  }
}
