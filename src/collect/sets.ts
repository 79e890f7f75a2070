/** Sets (v9: FlowSets): the frame that NetFlow v9 and IPFIX share (RFC 7011 §3.3, RFC 3954 §5). */

import type { IncomingMessage } from './message.ts';
import type { MalformedReason } from './problems.ts';
import type { Template } from './template.ts';

/** Set ID and length. */
export const SET_HEADER_OCTETS = 4;
/** Data Sets have their Template's ID, from here on. */
export const FIRST_TEMPLATE_ID = 256;

/** Reads the content of a Set, from `from` up to `to`. */
export type SetDecoder = (message: IncomingMessage, from: number, to: number) => MalformedReason | undefined;

/** Whether the Sets from `from` on fill the message exactly. Run before anything is read, so that nothing is kept of a message that is not sound. */
export function checkSets(message: IncomingMessage, from: number): MalformedReason | undefined {
  for (let at = from; at < message.length; ) {
    message.at = at;
    if (message.length - at < SET_HEADER_OCTETS) return 'bad_set_length';
    const length = message.view.getUint16(at + 2);
    if (length < SET_HEADER_OCTETS || at + length > message.length) return 'bad_set_length';
    at += length;
  }
  return undefined;
}

/** Decodes the Sets that {@link checkSets} has found sound. `special` knows the Set IDs that are not data. */
export function decodeSets(
  message: IncomingMessage,
  from: number,
  special: ReadonlyMap<number, SetDecoder>,
): MalformedReason | undefined {
  for (let at = from; at < message.length; ) {
    message.at = at;
    const id = message.view.getUint16(at);
    const end = at + message.view.getUint16(at + 2);
    const decode = id >= FIRST_TEMPLATE_ID ? dataSet : special.get(id);
    if (decode === undefined) message.odd('reserved_set');
    else {
      const fault = decode(message, at + SET_HEADER_OCTETS, end);
      if (fault !== undefined) return fault;
    }
    at = end;
  }
  return undefined;
}

function dataSet(message: IncomingMessage, from: number, to: number): MalformedReason | undefined {
  const id = message.view.getUint16(from - SET_HEADER_OCTETS);
  const template = message.session.templates.get(id);
  if (template === undefined) {
    message.missTemplate();
    return undefined;
  }
  const padding = template.readRecords(message.view, from, to, message.base, message.records);
  if (padding < 0) return 'truncated_field';
  checkPadding(message, padding, to);
  return undefined;
}

/** Padding is to be zero (RFC 7011 §3.3.1); what is not may be data that the Template does not describe. */
export function checkPadding(message: IncomingMessage, from: number, to: number): void {
  for (let at = from; at < to; at++) {
    if (message.view.getUint8(at) !== 0) {
      message.odd('nonzero_padding');
      return;
    }
  }
}

/** Keeps a Template, unless it is the one that is already kept; then it counts as freshly heard. */
export function keepTemplate(message: IncomingMessage, template: Template): void {
  const { session, store } = message;
  const known = session.templates.get(template.id);
  const same = known !== undefined && known.signature === template.signature;
  if (known !== undefined && !same && message.version === 10 && message.source.transport === 'tcp') {
    message.odd('redefinition');
  }
  store.define(session, same ? known : template);
}
