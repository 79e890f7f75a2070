/**
 * What a packet from within a tunnel has behind the addresses of its Flow Key: who tells apart two networks that use
 * the same addresses. Only where tunnels are opened (`--decapsulate`). Nothing but numbers in this file, as in
 * packet-layout.ts, and for the same reason.
 */

/** Words of it. */
export const TUNNEL_WORDS = 4;
/** Offsets in words from its start. */
export const SEGMENT = 0; //  VNI (uint24) | what it is an identifier of « 24, one of SEGMENT_…; 0: no tunnel
export const GRE_KEY = 1; //  RFC 2890; 0: none
export const ENDPOINT = 2; // Gateway Load Balancer endpoint ID: 8 octets as on the wire; 0: none

/** The innermost tunnel with a VNI; where none has one, the outermost tunnel. */
export const SEGMENT_VXLAN = 0x01; // as in IANA's registry of layer2SegmentId (351)
export const SEGMENT_GENEVE = 0xf1; // the others have no number there: these are Weir's own, and never exported
export const SEGMENT_GRE = 0xf2;
export const SEGMENT_IPIP = 0xf3;
export const SEGMENT_6IN4 = 0xf4;
