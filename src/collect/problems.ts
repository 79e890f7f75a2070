/** What can be wrong with what comes in. The names are metric labels and what the log says. */

/** A message with one of these is discarded whole, its records included (RFC 7011 §9.1). */
export const MALFORMED_REASONS = [
  'truncated_header', //   the datagram ends within the message header
  'unknown_version', //    neither 5, 9 nor 10
  'bad_message_length', // the length in the header, or what it follows from, is not what arrived
  'bad_record_count', //   v5: none, or more than 30
  'bad_set_length', //     below 4, or beyond the message
  'bad_template_id', //    below 256
  'truncated_template', // the Set ends within a Template Record
  'empty_template', //     v9: a Template Record without fields
  'too_many_fields', //    more fields than this collector takes in one Template
  'bad_scope', //          IPFIX: no scope field, or more than fields; v9: lengths that are no multiple of 4
  'bad_field_length', //   a field whose length its abstract data type forbids (RFC 7011 §6.2)
  'zero_length_record', // a Template whose records have no octets
  'truncated_field', //    a variable-length field that ends beyond its Set
] as const;
export type MalformedReason = (typeof MALFORMED_REASONS)[number];

/** What an exporter does wrong without harm to what it says: counted and reported, and nothing is discarded. */
export const ODDITIES = [
  'reserved_set', //       a Set ID that no version has given a meaning; the Set is skipped
  'nonzero_padding', //    expressly not malformed (RFC 7011 §9.1)
  'wrong_count', //        v9: the header's Count is not the number of records that follow
  'unknown_withdrawal', // of a Template that was never defined (RFC 7011 §8.1)
  'withdrawal_over_udp', // to be ignored (RFC 7011 §8.4)
  'redefinition', //       IPFIX over TCP: another meaning for a Template ID without withdrawal (RFC 7011 §8.1)
] as const;
export type Oddity = (typeof ODDITIES)[number];
