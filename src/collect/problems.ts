/** What can be wrong with what comes in. The names are metric labels; the texts go on after "a message". */

/** A message with one of these is discarded whole, its records included (RFC 7011 §9.1). */
const MALFORMED_TEXTS = {
  truncated_header: 'ends within its header',
  unknown_version: 'is neither NetFlow v5 nor v9 nor IPFIX',
  not_ipfix: 'is not IPFIX, the only one that TCP carries',
  bad_message_length: 'is not as long as its header says',
  bad_record_count: 'says that it has no record, or more than 30 (v5)',
  bad_set_length: 'has a Set that is shorter than its header or ends beyond the message',
  bad_template_id: 'defines a Template with an ID below 256',
  truncated_template: 'has a Set that ends within a Template Record',
  empty_template: 'defines a Template without fields',
  too_many_fields: 'defines a Template with more fields than this collector takes',
  /** IPFIX: none, or more than fields (RFC 7011 §3.4.2.2); v9: in octets, and no multiple of 4 (RFC 3954 §6.1). */
  bad_scope: 'defines an Options Template with an impossible scope',
  /** RFC 7011 §6.2: only integers come in a reduced size. */
  bad_field_length: 'defines a Template with a length that the field cannot have',
  zero_length_record: 'defines a Template whose records have no octets',
  truncated_field: 'has a variable-length field that ends beyond its Set',
} as const;
export type MalformedReason = keyof typeof MALFORMED_TEXTS;
export const MALFORMED_REASONS = Object.keys(MALFORMED_TEXTS) as readonly MalformedReason[];

/** What an exporter does wrong without harm to what it says: counted and reported, and nothing is discarded. */
const ODDITY_TEXTS = {
  reserved_set: 'has a Set with a reserved ID, which is skipped',
  /** Expressly not malformed (RFC 7011 §9.1). */
  nonzero_padding: 'has padding that is not zero',
  wrong_count: 'has another number of records than its header says (v9)',
  /** RFC 7011 §8.1. */
  unknown_withdrawal: 'withdraws a Template that was never defined',
  /** RFC 7011 §8.4. */
  withdrawal_over_udp: 'withdraws a Template over UDP, which is ignored',
  /** RFC 7011 §8.1. */
  redefinition: 'gives a Template ID another meaning without withdrawing the old one',
} as const;
export type Oddity = keyof typeof ODDITY_TEXTS;
export const ODDITIES = Object.keys(ODDITY_TEXTS) as readonly Oddity[];

/** Nobody's fault: Templates come from time to time, and this collector began in between. */
const WAITING_TEXTS = {
  missing_template: 'has data whose Template has not come yet, which is dropped',
} as const;

/** Everything that a decoder reports. */
export type ProblemReason = MalformedReason | Oddity | keyof typeof WAITING_TEXTS;
export const PROBLEM_TEXTS: Readonly<Record<ProblemReason, string>> = {
  ...MALFORMED_TEXTS,
  ...ODDITY_TEXTS,
  ...WAITING_TEXTS,
};
