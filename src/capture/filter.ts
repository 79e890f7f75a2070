/**
 * Socket filters: classic BPF programs that the kernel runs for every frame before it copies it into the ring.
 *
 * A program is made of two parts: the direction, decided by the kernel's packet type, and the user's filter in
 * libpcap's language (pcap-filter(7)), which tcpdump compiles. Jumps are relative and forward, so the first part is
 * simply put in front of the second. The program returns how many octets to capture.
 */
import { runProgram } from '../system/program.ts';
import { LinkType } from './packet-source.ts';

/** One instruction (struct sock_filter): jt and jf are how many instructions to skip, k is unsigned. */
export type Instruction = readonly [code: number, jt: number, jf: number, k: number];
export type FilterProgram = readonly Instruction[];

/** Which packets of an interface to take: those that come in, those that go out, or both. */
export type Direction = 'ingress' | 'egress' | 'both';

/** linux/if_packet.h: the packet type of what the host itself sends out of the interface, forwarded packets included. */
export const PACKET_OUTGOING = 4;

const LOAD_WORD = 0x20; // BPF_LD | BPF_W | BPF_ABS
const JUMP_IF_EQUAL = 0x15; // BPF_JMP | BPF_JEQ | BPF_K
const RETURN = 0x06; // BPF_RET | BPF_K
/** linux/filter.h: SKF_AD_OFF + SKF_AD_PKTTYPE, an offset beyond every frame that stands for its packet type. */
const PACKET_TYPE = 0xfffff004;

const DIRECTIONS: Record<Direction, FilterProgram> = {
  ingress: [
    [LOAD_WORD, 0, 0, PACKET_TYPE],
    [JUMP_IF_EQUAL, 0, 1, PACKET_OUTGOING],
    [RETURN, 0, 0, 0],
  ],
  egress: [
    [LOAD_WORD, 0, 0, PACKET_TYPE],
    [JUMP_IF_EQUAL, 1, 0, PACKET_OUTGOING],
    [RETURN, 0, 0, 0],
  ],
  both: [],
};

/** A filter of any sense compiles in milliseconds. */
const COMPILE_WITHIN_MILLISECONDS = 10_000;

/** There is nothing to compile a filter with. */
export class NoTcpdump extends Error {
  constructor() {
    super('A filter is compiled with tcpdump, which is not installed (Debian: apt-get install tcpdump).');
  }
}

/** Lets nothing in. */
export const DROP_ALL: Uint8Array = encodeProgram([[RETURN, 0, 0, 0]]);

/**
 * The whole socket filter: direction, then the user's filter, whose accepting returns become `snapLength`.
 * The result is an array of struct sock_filter in the host's (little-endian) order.
 */
export function socketFilter(direction: Direction, filter: FilterProgram, snapLength: number): Uint8Array {
  const accept: Instruction = [RETURN, 0, 0, snapLength];
  const user = filter.length === 0 ? [accept] : filter.map((step) => (isAccept(step) ? accept : step));
  return encodeProgram([...DIRECTIONS[direction], ...user]);
}

function isAccept([code, , , k]: Instruction): boolean {
  return code === RETURN && k !== 0;
}

function encodeProgram(program: FilterProgram): Uint8Array {
  const view = new DataView(new ArrayBuffer(8 * program.length));
  for (const [index, [code, jt, jf, k]] of program.entries()) {
    view.setUint16(8 * index, code, true);
    view.setUint8(8 * index + 2, jt);
    view.setUint8(8 * index + 3, jf);
    view.setUint32(8 * index + 4, k, true);
  }
  return new Uint8Array(view.buffer);
}

/**
 * Compiles a filter expression with `tcpdump -ddd`. Rejects, in tcpdump's own words, when it is wrong.
 *
 * VLANs: the kernel strips the outer tag of a frame before any socket sees it. `tcp port 22` and the like therefore
 * match inside one tag as well, and `vlan 5` has to be asked of the kernel's memory of the tag, which tcpdump does
 * only when it compiles for the live interface. The same is true of `inbound` and `outbound`. An expression
 * with one of these words is compiled for `interfaceName` (which must be up, and open to this process, at that
 * moment), any other for the link type alone. Tags within the outer one stay in the frame: `vlan 5 and vlan 7`.
 */
export async function compileFilter(
  expression: string,
  on: { readonly interfaceName: string; readonly linkType: number },
): Promise<FilterProgram> {
  const target = opensInterface(expression) ? ['-i', on.interfaceName, '-p'] : forLinkType(on.linkType);
  return parseProgram(await compile(expression, target));
}

/**
 * Compiles it for a link type alone, which every expression can be, and drops the program: no interface is needed, and
 * no right. Rejects as {@link compileFilter} does.
 */
export async function checkFilter(expression: string, linkType: number): Promise<void> {
  await compile(expression, forLinkType(linkType));
}

function forLinkType(linkType: number): readonly string[] {
  return ['-y', linkType === LinkType.RAW ? 'RAW' : 'EN10MB'];
}

/** Resolves to what `tcpdump -ddd` prints. */
async function compile(expression: string, target: readonly string[]): Promise<string> {
  // `--`: an expression that begins with a dash is no option.
  const args = [...target, '-ddd', '--', expression];
  const outcome = await runProgram('tcpdump', args, COMPILE_WITHIN_MILLISECONDS);
  if (outcome === undefined) throw new NoTcpdump();
  const { code, stdout, stderr } = outcome;
  if (code === 0) return stdout;
  const words = stderr.trim().replaceAll(/^tcpdump: /gm, '') || `tcpdump ended with ${code}`;
  throw new Error(`The filter '${expression}' does not compile: ${words} (its language: man pcap-filter).`);
}

/** Whether tcpdump has to open the interface to compile the expression, which takes CAP_NET_RAW. */
export function opensInterface(expression: string): boolean {
  return /\b(vlan|inbound|outbound)\b/.test(expression);
}

/** Reads what `tcpdump -ddd` prints: the number of instructions, then one a line, as four decimal numbers. */
export function parseProgram(text: string): FilterProgram {
  const [count, ...lines] = text.trim().split('\n');
  const program = lines.map((line) => line.split(' ').map(Number));
  const isInstruction = (step: number[]) =>
    step.length === 4 && step.every((n) => Number.isInteger(n) && n >= 0);
  if (Number(count) !== program.length || program.length === 0 || !program.every(isInstruction)) {
    throw new Error(`tcpdump -ddd printed no program: ${JSON.stringify(text.slice(0, 80))}`);
  }
  return program as unknown as FilterProgram;
}
