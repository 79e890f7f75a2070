/**
 * The line of flow logs on one page: sources → objects → lines → records → exporters → transports.
 *
 * One object after the other: when its last line is read, every exporter is flushed, and when all that was handed to the
 * transports has left or is lost, its source is told. So a crash repeats that object at most.
 */

import { setImmediate as nextTurn, setTimeout as sleep } from 'node:timers/promises';
import { registerElements } from '../export/elements.ts';
import { TICK_MILLISECONDS } from '../export/exporter.ts';
import type { Export } from '../export/outlet.ts';
import { FLOW_END_MILLISECONDS, OCTET_DELTA_COUNT, PACKET_DELTA_COUNT } from '../flow/flow-record.ts';
import { handOn } from '../flow/record-batch.ts';
import { ConvertCounts, FAULT_KINDS, type FaultKind } from './convert-counts.ts';
import type { ConverterOptions } from './convert-options.ts';
import { elementOf, flowLogElements } from './flow-log-layout.ts';
import { DIRECTION_EGRESS, DIRECTION_INGRESS, DIRECTION_UNKNOWN } from './flow-log-words.ts';
import { LineAssembler, type Lines } from './line-assembler.ts';
import { FIRST_FAULT, Line, LineParser } from './line-parser.ts';
import { DEFAULT_FORMAT, FormatError, isHeader, parseFormat } from './log-format.ts';
import type { KnownFormat, LogFormat, LogObject, ParquetContent, TextContent } from './log-object.ts';
import { openParquet } from './parquet-rows.ts';
import { RecordsNotSentError } from './sources/source-error.ts';
import { StringArena } from './string-arena.ts';
import { WaysOut } from './ways-out.ts';

/** Lines in a turn of the event loop: some 2 ms. */
const LINES_A_TURN = 4096;
/** Kinds of records that exporters keep templates for. A flow log has one format; a header line is no place for a flood. */
const MOST_FORMATS = 64;
/** An object whose records do not leave at all for so long is given up, and with it the conversion. */
const STUCK_MILLISECONDS = 60_000;
/** From one look at whether all has left to the next, where a transport cannot tell. */
const LOOK_AGAIN_MILLISECONDS = 10;
/** What is shown of a faulty line. */
const MOST_SHOWN_OCTETS = 200;
/** A header line is short: all fields that there are have 1 KB. */
const MOST_HEADER_OCTETS = 16_384;
const LF = 0x0a;

export class Converter {
  readonly counts = new ConvertCounts();
  readonly #options: ConverterOptions;
  readonly #ways: WaysOut;
  readonly #arena = new StringArena();
  readonly #parsers = new Map<string, LineParser>();
  readonly #withStrings: boolean;
  /** No record is passed over. */
  readonly #takesAll: boolean;
  readonly #enterpriseNumbers: readonly number[];
  readonly #stopping = new AbortController();
  /** Ends the present wait. */
  #wake: () => void = () => {};
  readonly #faultsShown = new Set<FaultKind>();
  #isFormatDoubted = false;
  #timer: NodeJS.Timeout | undefined;
  #finished: Promise<void> = Promise.resolve();
  #stopped: Promise<void> | undefined;
  /** Where the present line is. */
  #object = '';
  #line = 0;
  /** When the next record may be converted, monotonic ms, where the rate is bounded. */
  #dueMilliseconds = 0;
  #linesThisTurn = 0;

  constructor(options: ConverterOptions) {
    this.#options = options;
    this.#ways = new WaysOut(options, this.counts);
    this.#takesAll = options.rejects === 'keep' && options.vantage === 'both';
    const ipfix = options.outlets.filter(({ protocol }) => protocol === 'ipfix');
    this.#withStrings = ipfix.length > 0 || (options.ways ?? []).length > 0;
    const numbers = this.#withStrings
      ? [options, ...ipfix].map(({ enterpriseNumber }) => enterpriseNumber)
      : [];
    this.#enterpriseNumbers = [...new Set(numbers.filter((number) => number !== undefined))];
    this.#stopping.signal.addEventListener('abort', () => this.#wake(), { once: true });
  }

  /** The ways out. */
  get exports(): readonly Export[] {
    return this.#ways.exports;
  }

  /**
   * Resolves when every source has come to its end, or `stop` was called. Rejects where it cannot go on: the interface map's
   * file takes no more, a collector takes nothing, a source is of no use (access denied).
   */
  get finished(): Promise<void> {
    return this.#finished;
  }

  async start(): Promise<void> {
    for (const number of this.#enterpriseNumbers) registerElements(flowLogElements(number));
    for (const way of this.#options.ways ?? []) way.start({ add: (outlet) => this.#ways.add(outlet) });
    const { monotonic } = this.#options.clocks;
    this.#timer = setInterval(() => this.#ways.tick(monotonic()), TICK_MILLISECONDS);
    this.#finished = this.#run();
    // Whoever waits for it hears of it; that nobody waits yet is no fault.
    this.#finished.catch(() => {});
  }

  /** Ends after the lines of this turn, sends what is there and closes. @param withinMilliseconds for all of it */
  stop(withinMilliseconds: number): Promise<void> {
    this.#stopped ??= this.#stop(withinMilliseconds);
    return this.#stopped;
  }

  async #stop(withinMilliseconds: number): Promise<void> {
    const { monotonic } = this.#options.clocks;
    const end = monotonic() + withinMilliseconds;
    this.#stopping.abort();
    // A source may sit in a request that does not end.
    await Promise.race([
      this.#finished.catch(() => {}),
      sleep(withinMilliseconds / 2, undefined, { ref: false }),
    ]);
    await this.#ways.finish(end);
    clearInterval(this.#timer);
    await this.#options.interfaceMap.save();
  }

  get #isStopping(): boolean {
    return this.#stopping.signal.aborted;
  }

  async #run(): Promise<void> {
    for (const source of this.#options.sources) {
      for await (const object of source.objects(this.#stopping.signal)) {
        if (this.#isStopping) return;
        let failure: Error | undefined;
        const { lines, goodLines } = this.counts;
        const { lost } = this.#ways;
        try {
          await this.#convert(object);
          if (this.counts.lines > lines && this.counts.goodLines === goodLines) this.#doubtFormat(object);
        } catch (error) {
          if (!(error instanceof UnreadableObject)) throw error;
          failure = error.reason;
        }
        if (this.#isStopping) return;
        await this.#settle();
        if (this.#isStopping) return;
        await this.#options.interfaceMap.save();
        const lostOfIt = this.#ways.lost - lost;
        if (lostOfIt > 0) {
          const damage = failure === undefined ? '' : ` (and ${failure.message})`;
          failure = new RecordsNotSentError(`${lostOfIt} of its records were not sent${damage}`);
        }
        if (failure === undefined) {
          this.counts.objects++;
          this.counts.storedOctets += object.storedOctets ?? 0;
          await source.exported(object);
        } else {
          const { vanished } = source;
          try {
            // What it throws ends the conversion, and is what there is to say of the object.
            await source.failed(object, failure);
          } finally {
            // One that has gone is the source's to count, and nobody's failure.
            if (source.vanished === vanished) this.counts.failedObjects++;
          }
          if (source.vanished === vanished) this.#options.onObjectError(object.name, failure);
        }
      }
    }
  }

  async #convert(object: LogObject): Promise<void> {
    this.#object = object.name;
    this.#line = 0;
    const { content } = object;
    if (content.kind === 'parquet') await this.#convertParquet(content);
    else await this.#convertText(content, this.#options.format ?? object.format ?? DEFAULT_FORMAT);
  }

  // ---- text ----

  /** @param known the format where no header line says another */
  async #convertText(content: TextContent, known: KnownFormat): Promise<void> {
    const assembler = new LineAssembler();
    const hasHeader = content.header === 'first-line';
    let parser = hasHeader ? undefined : this.#parserFor(await formatOf(known));
    const take = async (lines: Lines): Promise<void> => {
      let { from } = lines;
      if (parser === undefined) {
        const end = lines.bytes.indexOf(LF, from) + 1;
        const format = headerIn(lines.bytes, from, end);
        parser = this.#parserFor(format ?? (await formatOf(known)));
        if (format !== undefined) {
          this.#line++;
          from = end;
        }
      }
      parser = await this.#convertLines(parser, lines.bytes, from, lines.to, hasHeader);
    };
    const chunks = content.chunks()[Symbol.asyncIterator]();
    try {
      for (;;) {
        const { value: chunk, done } = await readable(chunks.next());
        if (done === true) break;
        this.counts.textOctets += chunk.length;
        for (const lines of assembler.push(chunk)) {
          await take(lines);
          if (this.#isStopping) return;
        }
      }
    } catch (error) {
      // What came of the last line is no line: it could be a shorter number than was meant.
      if (error instanceof UnreadableObject && assembler.isWithinLine) {
        this.counts.lines++;
        this.#line++;
        const lines = assembler.end()!;
        this.#fault('cut_off', lines.bytes, lines.from, lines.to);
      }
      throw error;
    } finally {
      if (this.#isStopping) await chunks.return?.();
    }
    const last = assembler.end();
    if (last !== undefined) await take(last);
  }

  /** @returns the parser of the last line's format: header lines stand in the middle where files were put together */
  async #convertLines(
    parser: LineParser,
    bytes: Uint8Array,
    from: number,
    to: number,
    hasHeader: boolean,
  ): Promise<LineParser> {
    let present = parser;
    present.position = from;
    while (present.position < to) {
      const header = this.#batch(present, bytes, to, hasHeader);
      if (header !== undefined) {
        const { position } = present;
        present = this.#parserFor(header);
        present.position = position;
      }
      await this.#pause();
      if (this.#isStopping) break;
    }
    return present;
  }

  /** Converts lines, as many as a turn has. @returns the format of a header line that came, behind which it stops */
  #batch(parser: LineParser, bytes: Uint8Array, to: number, hasHeader: boolean): LogFormat | undefined {
    const { counts } = this;
    const most = this.#linesToTake();
    let lines = 0;
    let header: LogFormat | undefined;
    while (lines < most && parser.position < to) {
      const from = parser.position;
      const plain = parser.takePlain(bytes, most - lines, this.#ways.tellsApart);
      if (plain > 0) {
        lines += plain;
        this.#plainRecords(parser, plain);
        continue;
      }
      const kind = parser.next(bytes);
      lines++;
      if (kind === Line.RECORD) this.#record(parser);
      else if (kind === Line.NODATA) counts.nodata++;
      else if (kind === Line.SKIPDATA) counts.skipdata++;
      else {
        if (hasHeader) {
          header = headerAgain(bytes, from, parser.position);
          if (header !== undefined) {
            counts.lines--;
            this.#line += lines;
            break;
          }
        }
        this.#line += lines;
        this.#fault(FAULT_KINDS[kind - FIRST_FAULT]!, bytes, from, parser.position);
        this.#line -= lines;
      }
    }
    if (header === undefined) this.#line += lines;
    counts.lines += lines;
    this.#linesThisTurn += lines;
    return header;
  }

  #record(parser: LineParser): void {
    if (!this.#admit(parser)) return;
    const ways = this.#ways;
    ways.start();
    const receivers = parser.isReject ? ways.rejected : ways.accepted;
    for (let i = 0; i < receivers.length; i++) receivers[i]!.record(parser.record);
    const more = this.#options.ways;
    if (more !== undefined) for (const way of more) way.record(parser.record, parser);
  }

  /** Records of so many lines that went the short way. Where a way out tells them apart, accepted flows go before refused ones. */
  #plainRecords(parser: LineParser, rows: number): void {
    const ways = this.#ways;
    const { accepted, refused } = parser.plain!;
    if (this.#takesAll) this.#admitAll(parser, rows);
    else this.#admitSome(parser, rows);
    if (accepted.count + refused.count > 0) ways.start();
    if (accepted.count > 0) for (const receiver of ways.accepted) handOn(accepted, receiver);
    if (refused.count > 0) for (const receiver of ways.rejected) handOn(refused, receiver);
  }

  /** Counts them, where all are to leave. */
  #admitAll({ plain, unnumbered }: LineParser, rows: number): void {
    const { counts } = this;
    const { rejects, packets, octets, latestMilliseconds } = plain!;
    counts.records += rows;
    counts.rejects += rejects;
    counts.converted += rows;
    counts.unnumberedInterfaces += unnumbered;
    counts.packets += packets;
    counts.octets += octets;
    if (latestMilliseconds > this.#ways.clockMilliseconds) this.#ways.clockMilliseconds = latestMilliseconds;
  }

  /** Counts them one by one, and lists those that are to leave, in the order of their lines. */
  #admitSome(parser: LineParser, rows: number): void {
    const { accepted, refused } = parser.plain!;
    const rejected = this.#ways.tellsApart ? refused : accepted;
    accepted.count = 0;
    refused.count = 0;
    for (let row = 0; row < rows; row++) {
      parser.point(row);
      if (!this.#admit(parser)) continue;
      const batch = parser.isReject ? rejected : accepted;
      batch.list[batch.count++] = parser.record.offset;
    }
  }

  /** Counts a record. @returns whether it is to leave */
  #admit({ record, isReject, direction, hasInterface, interfaceNumber }: LineParser): boolean {
    const { counts } = this;
    const { rejects, vantage } = this.#options;
    const { view, offset } = record;
    const packets = view.getFloat64(offset + PACKET_DELTA_COUNT * 4, true);
    const octets = view.getFloat64(offset + OCTET_DELTA_COUNT * 4, true);
    counts.records++;
    if (isReject) counts.rejects++;
    if (isReject ? rejects === 'drop' : rejects === 'only') {
      counts.droppedRejects++;
      counts.droppedPackets += packets;
      counts.droppedOctets += octets;
      return false;
    }
    if (vantage !== 'both') {
      if (direction === DIRECTION_UNKNOWN) counts.directionless++;
      else if (direction !== (vantage === 'ingress' ? DIRECTION_INGRESS : DIRECTION_EGRESS)) {
        counts.droppedVantage++;
        counts.droppedPackets += packets;
        counts.droppedOctets += octets;
        return false;
      }
    }
    const end = view.getFloat64(offset + FLOW_END_MILLISECONDS * 4, true);
    if (end > this.#ways.clockMilliseconds) this.#ways.clockMilliseconds = end;
    if (hasInterface && interfaceNumber === 0) counts.unnumberedInterfaces++;
    counts.converted++;
    counts.packets += packets;
    counts.octets += octets;
    return true;
  }

  #fault(kind: FaultKind, bytes: Uint8Array, from: number, to: number): void {
    const { faults } = this.counts;
    faults.set(kind, faults.get(kind)! + 1);
    if (this.#faultsShown.has(kind)) return;
    this.#faultsShown.add(kind);
    this.#options.onFault({ kind, object: this.#object, line: this.#line, text: shown(bytes, from, to) });
  }

  #doubtFormat({ name }: LogObject): void {
    if (this.#isFormatDoubted) return;
    this.#isFormatDoubted = true;
    this.#options.onWrongFormat(name);
  }

  // ---- Parquet ----

  async #convertParquet(content: ParquetContent): Promise<void> {
    const rows = await readable(openParquet(content.file));
    let parser = this.#parserFor(rows.format);
    const chunks = rows.chunks()[Symbol.asyncIterator]();
    for (;;) {
      const { value: bytes, done } = await readable(chunks.next());
      if (done === true) return;
      const lines = new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.length);
      parser = await this.#convertLines(parser, lines, 0, lines.length, false);
      if (this.#isStopping) return;
    }
  }

  // ---- formats ----

  #parserFor(format: LogFormat): LineParser {
    const key = format.fields.join(' ');
    const known = this.#parsers.get(key);
    if (known !== undefined) return known;
    if (this.#parsers.size === MOST_FORMATS) {
      throw new UnreadableObject(new FormatError(`a format more than the ${MOST_FORMATS} of one conversion`));
    }
    const parser = new LineParser({
      format,
      withEnterprise: this.#enterpriseNumbers.length > 0,
      withStrings: this.#withStrings,
      strings: this.#arena,
      interfaceMap: this.#options.interfaceMap,
      withPlain: (this.#options.ways ?? []).length === 0,
      clockMilliseconds: this.#options.clocks.unix,
    });
    if (parser.plainProblem !== undefined && this.#parsers.size === 0)
      this.#options.onLongWay(parser.plainProblem);
    this.#parsers.set(key, parser);
    for (const number of this.#enterpriseNumbers) {
      registerElements(parser.layout.enterpriseFields.map((field) => elementOf(field, number)));
    }
    this.#ways.learn(parser.layout);
    return parser;
  }

  // ---- pace ----

  #linesToTake(): number {
    const { recordsPerSecond } = this.#options;
    const left = Math.max(1, LINES_A_TURN - this.#linesThisTurn);
    return recordsPerSecond === 0 ? left : Math.min(left, Math.max(1, Math.floor(recordsPerSecond / 50)));
  }

  /** Waits where a way out is congested or the rate is bounded; else lets the event loop turn now and then. */
  async #pause(): Promise<void> {
    const room = this.#ways.whenThereIsRoom();
    if (room !== undefined || this.#ways.isCongested) await this.#untilThereIsRoom(room);
    const { recordsPerSecond, clocks } = this.#options;
    if (recordsPerSecond > 0) await this.#keepPace(recordsPerSecond, clocks.monotonic);
    if (this.#linesThisTurn < LINES_A_TURN) return;
    this.#linesThisTurn = 0;
    await nextTurn();
  }

  #convertedBefore = 0;
  async #keepPace(recordsPerSecond: number, monotonic: () => number): Promise<void> {
    const { converted } = this.counts;
    const now = monotonic();
    // A pause is not made up for by a burst.
    this.#dueMilliseconds =
      Math.max(this.#dueMilliseconds, now - 20) +
      ((converted - this.#convertedBefore) * 1000) / recordsPerSecond;
    this.#convertedBefore = converted;
    const wait = this.#dueMilliseconds - now;
    if (wait < 1) return;
    await this.#orStop(sleep(wait));
    this.#linesThisTurn = 0;
  }

  /**
   * Waits for a Collector that takes nothing for a while: the logs are safe where they are, and what does not fit its queue
   * would be lost.
   */
  async #untilThereIsRoom(room: Promise<unknown> | undefined): Promise<void> {
    const ways = this.#ways;
    const look = this.#watch();
    if (room !== undefined) await this.#orStop(room);
    // A transport loses its patience with a Collector that is away; it is congested all the same.
    while (ways.isCongested && !this.#isStopping) {
      await this.#orStop(ways.whenThereIsRoom() ?? sleep(LOOK_AGAIN_MILLISECONDS));
      look();
    }
  }

  /** Whether records leave: what it returns is to be called now and then. It throws where none has for long. */
  #watch(): () => void {
    const { monotonic } = this.#options.clocks;
    const ways = this.#ways;
    let { waiting } = ways;
    let movedMilliseconds = monotonic();
    return () => {
      const left = ways.waiting;
      if (left < waiting) movedMilliseconds = monotonic();
      else if (monotonic() - movedMilliseconds > STUCK_MILLISECONDS) {
        const names = ways.exports.filter(({ exporter }) => exporter.queued.records > 0);
        throw new Error(
          `${names.map(({ outlet }) => outlet.name).join(', ')}: ${left} records of ${this.#object} have not left for ${STUCK_MILLISECONDS / 1000} s`,
        );
      }
      waiting = left;
    };
  }

  /** Resolves with the promise, or at the stop. A race with a promise that lives as long as this would keep something of each. */
  #orStop(promise: Promise<unknown>): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#wake = () => resolve(undefined);
      if (this.#isStopping) resolve(undefined);
      promise.then(resolve, reject);
    });
  }

  /** Resolves when every record handed over has left or is lost. @throws Error where nothing leaves any more */
  async #settle(): Promise<void> {
    const ways = this.#ways;
    for (const way of this.#options.ways ?? []) way.endObject();
    ways.flush();
    const look = this.#watch();
    while (ways.waiting > 0 && !this.#isStopping) {
      await this.#orStop(ways.whenEmpty() ?? sleep(LOOK_AGAIN_MILLISECONDS));
      look();
    }
  }
}

/** An object cannot be read to its end; that is no reason to stop. */
class UnreadableObject extends Error {
  readonly reason: Error;
  constructor(reason: unknown) {
    super('unreadable');
    this.reason = reason instanceof Error ? reason : new Error(String(reason));
  }
}

async function readable<T>(promise: Promise<T>): Promise<T> {
  try {
    return await promise;
  } catch (error) {
    throw new UnreadableObject(error);
  }
}

/** @throws UnreadableObject where it is asked for and cannot be told */
const formatOf = async (known: KnownFormat): Promise<LogFormat> =>
  typeof known === 'function' ? await readable(known()) : known;

/** The format of a header line. @throws UnreadableObject where it is one, but of no format: nothing below could be believed */
function headerIn(bytes: Uint8Array, from: number, to: number): LogFormat | undefined {
  if (to - from > MOST_HEADER_OCTETS) return undefined;
  const line = textOf(bytes, from, to).replace(/^\uFEFF/, '');
  if (!isHeader(line)) return undefined;
  try {
    return parseFormat(line);
  } catch (error) {
    throw new UnreadableObject(error);
  }
}

/** As {@link headerIn}, for a line in the middle: one that is not whole is a faulty line. */
function headerAgain(bytes: Uint8Array, from: number, to: number): LogFormat | undefined {
  try {
    return headerIn(bytes, from, to);
  } catch {
    return undefined;
  }
}

const textOf = (bytes: Uint8Array, from: number, to: number): string =>
  Buffer.from(bytes.buffer, bytes.byteOffset + from, to - from).toString('utf8');

function shown(bytes: Uint8Array, from: number, to: number): string {
  const text = textOf(bytes, from, Math.min(to, from + MOST_SHOWN_OCTETS)).trimEnd();
  return to - from > MOST_SHOWN_OCTETS ? `${text}…` : text;
}
