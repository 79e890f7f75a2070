/**
 * What a source of packets looks like to the rest of the line.
 *
 * A source owns one {@link Frame}, fills it anew for every captured frame and hands it to the receiver.
 * Nothing is copied and nothing is allocated a packet: who wants to keep something copies it.
 */

/** Link types, by their LINKTYPE_ numbers (https://www.tcpdump.org/linktypes.html). */
export const LinkType = {
  NULL: 0,
  ETHERNET: 1,
  RAW_BSD: 12,
  RAW_OPENBSD: 14,
  RAW: 101,
  LOOP: 108,
  LINUX_SLL: 113,
  IPV4: 228,
  IPV6: 229,
  LINUX_SLL2: 276,
} as const;

/** Values of {@link Frame.gsoType}: the kernel's virtio_net_hdr.gso_type without its ECN bit. */
export const GsoType = { NONE: 0, TCPV4: 1, UDP: 3, TCPV6: 4, UDP_L4: 5 } as const;

/** One captured frame. Reused: valid only during {@link FrameReceiver.frame}. */
export class Frame {
  /** The memory that holds the frame; the frame's first octet is at {@link offset}. Network byte order. */
  view: DataView = new DataView(new ArrayBuffer(0));
  /** Octets into {@link view} at which the frame's link header begins. */
  offset = 0;
  /** Octets of the frame that were captured: `view` is readable from `offset` to `offset + capturedLength`. */
  capturedLength = 0;
  /** Octets that the frame had on the wire, as the source knows it. */
  wireLength = 0;
  /** A LINKTYPE_ number. */
  linkType: number = LinkType.ETHERNET;
  /** SNMP-style interface index: the kernel's ifIndex, or a pcapng interface's number + 1; 0: unknown. */
  ingressInterface = 0;
  /** When the frame was captured: whole seconds since 1970 (not negative) … */
  seconds = 0;
  /** … and nanoseconds within that second, 0 to 999 999 999. */
  nanoseconds = 0;
  /** Tag control information of the outer VLAN tag that the kernel stripped from the frame; -1: none. */
  strippedVlanTci = -1;
  /** One of {@link GsoType}: what an offload has merged into this frame. */
  gsoType: number = GsoType.NONE;
  /** Payload octets of each segment on the wire, where gsoType is not NONE. */
  gsoSize = 0;
  /** The frame was cut before it got here, so that an IP packet in it may have been longer than {@link wireLength}. */
  isCut = false;
}

/**
 * The short way: frames that stand side by side and are plain (Ethernet, IPv4, TCP, UDP or ICMP, nothing special) are taken
 * many at a time. Where one is not, the source hands it over as a Frame, and goes on behind it.
 */
export interface PlainFrames {
  /** Where records of a file are to stand. */
  readonly memory: Uint8Array;
  /**
   * A part of the memory for a ring to be mapped over, for good, beginning with a page.
   * @returns undefined: there is no room for it
   */
  ringMemory(octets: number): Uint8Array | undefined;
  /** Frames taken so far, modulo 2^32. */
  readonly taken: number;
  /**
   * Takes records of classic pcap, little-endian and with a header of 16 octets, from one octet of the memory to another.
   * @param fractions of a second in the records' times, in a millisecond
   * @returns where the first record begins that was not taken
   */
  takePcap(from: number, end: number, ingressInterface: number, fractions: number): number;
  /**
   * Takes frames of a TPACKET_V3 ring's block, from a header on. Places are octets into the buffer that the ring is mapped in.
   * @param end of the block
   * @param left frames from there on
   * @param outgoing those that this host sends are wanted, and no others
   * @returns where the header of the first frame stands that was not taken
   */
  takeRing(
    from: number,
    end: number,
    left: number,
    ingressInterface: number,
    outgoing: boolean,
    vnetHeader: boolean,
  ): number;
}

/** Who takes the frames: the Metering Process. Called synchronously, in the order of capture. */
export interface FrameReceiver {
  /** Undefined: every frame comes as a Frame. */
  readonly plain?: PlainFrames | undefined;
  /** Before the frames of a batch (a ring's block, a file's chunk), at least once a batch. */
  beginBatch(): void;
  /** One frame. Never throws. */
  frame(frame: Frame): void;
  /**
   * After the frames of a batch. A returned promise asks the source to wait for it before the next batch,
   * because the way out is congested: a file waits, a live source goes on.
   */
  endBatch(): Promise<void> | undefined;
}

/** An interface that packets come from, for options data and the log. */
export interface CaptureInterface {
  /** As {@link Frame.ingressInterface}. */
  readonly index: number;
  readonly name: string;
}

/** Plain numbers that only grow; the metrics read them at scrape. */
export interface CaptureCounters {
  /** Frames handed to the receiver. */
  frames: number;
  /** Frames that the kernel dropped because the ring or buffer was full (tp_drops, ps_drop). */
  kernelDroppedPackets: number;
  /** Times that the ring froze because every block was full (tp_freeze_q_cnt). */
  ringFreezes: number;
}

/** Where packets come from: a ring on an interface, libpcap, or a capture file. */
export interface PacketSource {
  /** What it will ask of {@link PlainFrames.ringMemory}. Default 0. */
  readonly ringOctets?: number;
  /** Known interfaces; may grow while a pcapng file is read. */
  readonly interfaces: readonly CaptureInterface[];
  readonly counters: CaptureCounters;
  /** True while the source hands over packets; false for a ring whose interface is down or gone. */
  readonly capturing: boolean;
  /** Opens the source and begins. Resolves when packets are being captured; rejects with a clear error. */
  start(receiver: FrameReceiver): Promise<void>;
  /** Resolves when a file has been read to its end, or after `stop`; rejects when the source fails. */
  readonly finished: Promise<void>;
  /** Brings {@link counters} up to date with the kernel's. */
  refreshCounters(): void;
  /** Ends the capture: what is already in the ring is handed over first. Idempotent. */
  stop(): Promise<void>;
}
