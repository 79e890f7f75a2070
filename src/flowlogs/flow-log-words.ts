/** Words of a Flow Record that comes from a flow log, behind the Flow Key (IPv6's, whatever the record's addresses are). */

/** Where what flow logs add begins: KEY + KEY_WORDS_IPV6; even. */
export const LOG_EXTENSION = 22;
export const EGRESS_INTERFACE = 22;
/** forwardingStatus (uint8) | firewallEvent (uint8) « 8 | flowDirection (uint8) « 16 */
export const VERDICT = 23;
/** VRFname: a reference into the strings. */
export const VRF_NAME = 24;
/** Two words for what is read and not told. */
export const SCRATCH = 26;
/** The first of the fields under the enterprise number: two words each. */
export const FIRST_ENTERPRISE = 28;

/** forwardingStatus (IANA 89): forwarded, reason unknown; dropped, by an ACL; and not known. */
export const FORWARDED = 64;
export const DROPPED_BY_ACL = 129;
/** firewallEvent (IANA 233): flow denied. 0 where nothing is to tell: its others are events of a flow's life. */
export const FLOW_DENIED = 3;
/** flowDirection (IANA 61). It has no value for what is not known; 255 is none of the two. */
export const DIRECTION_INGRESS = 0;
export const DIRECTION_EGRESS = 1;
export const DIRECTION_UNKNOWN = 255;
