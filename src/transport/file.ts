/**
 * Messages into IPFIX Files (RFC 5655), one after the other. Each file is a Transport Session of its own: it begins
 * with the templates, and its sequence numbers count from 0, so that each can be read alone.
 *
 *   start ─▶ session ─▶ open NAME.part ─▶ write a batch ─▶ settle ─▶ next batch … ─▶ large or old enough ─▶ NAME
 *              ▲                             │ disk full: cut back, wait, once more                          │
 *              └──────────────────────────── with the next Message ◀─────────────────────────────────────────┘
 *
 * What cannot be written waits, in the bounded queue and in its order; what the queue cannot hold is not sent.
 * The time that ends a file is that of its Messages: of today when live, and the data's own from capture files.
 */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { Backoff } from './backoff.ts';
import { type Clock, systemClock } from './clock.ts';
import { rotatedPath } from './file-name.ts';
import { IpfixFile } from './ipfix-file.ts';
import { Outbox } from './outbox.ts';
import {
  type Sendable,
  type Session,
  type TransportCounters,
  type TransportEvent,
  type TransportNotSentReason,
  type TransportState,
  transportCounters,
} from './session.ts';

export interface FileOptions {
  readonly path: string;
  /** A file never exceeds this; undefined: it may. */
  readonly rotateOctets?: number | undefined;
  /** A file holds the Messages of one such interval, counted from 1970; undefined: of any time. */
  readonly rotateSeconds?: number | undefined;
  /** Messages' time is today's: a file ends with its interval also when no Message comes. */
  readonly live: boolean;
  readonly maxQueuedMessages: number;
  readonly onEvent: (event: TransportEvent) => void;
  readonly clock?: Clock | undefined;
  /** Uniform in [0, 1), for the jitter of retries. */
  readonly random?: (() => number) | undefined;
}

/** How long `whenBelow` waits while nothing can be written. */
const PATIENCE_MILLISECONDS = 5_000;
/** Of a write. Messages of an Ethernet's size: 180 of them, below IOV_MAX (1024). */
const BATCH_OCTETS = 262_144;
/** After its interval a live file stays open so long for the Messages that are still on their way. */
const GRACE_MILLISECONDS = 1_000;
/** Files begun in the same second. */
const MOST_A_SECOND = 100_000;

/** IPFIX's export time, in seconds (RFC 7011 §3.1). */
const exportSeconds = (bytes: Uint8Array): number =>
  new DataView(bytes.buffer, bytes.byteOffset).getUint32(4);

export class FileTransport<M extends Sendable> {
  readonly counters: TransportCounters = transportCounters();
  /** A file has no ends that packets would travel between. */
  readonly endpoints: undefined;
  readonly #options: FileOptions;
  readonly #clock: Clock;
  readonly #backoff: Backoff;
  #outbox: Outbox<M> | undefined;
  #file: IpfixFile | undefined;
  /** What was taken and is not written yet: after an error it is written once more. */
  #batch: M[] = [];
  /** A session has begun whose file is not open yet. */
  #begun = false;
  /** Unix time that stands in that file's name. */
  #beginsSeconds = 0;
  /** A file has been opened once. */
  #opened = false;
  /** The loop that writes; undefined: it has nothing to do. */
  #running: Promise<void> | undefined;
  #ended: Promise<void> | undefined;
  #stopped = false;
  /** The interval of the open file is over. */
  #overdue = false;
  #cancelOverdue: () => void = () => {};
  /** Ends the pause after an error. */
  #wake: () => void = () => {};
  /** Why nothing can be written; undefined: it can. */
  #failure: TransportNotSentReason | undefined;
  /** The error that was told last. */
  #told = '';

  constructor(options: FileOptions) {
    this.#options = options;
    this.#clock = options.clock ?? systemClock;
    this.#backoff = new Backoff(undefined, undefined, options.random);
  }

  get state(): TransportState {
    if (this.#failure !== undefined) return 'failing';
    return this.#opened ? 'sending' : 'resolving';
  }

  /** Messages that are not settled yet. */
  get queued(): number {
    return this.#outbox?.queued ?? 0;
  }

  /** Begins the first file. Once, before any `send`. */
  start(session: Session<M>): void {
    const { maxQueuedMessages } = this.#options;
    this.#outbox = new Outbox(session, maxQueuedMessages, PATIENCE_MILLISECONDS, this.#clock, this.counters);
    this.#pump();
  }

  /** Takes a Message; where the queue is full it is settled before this returns. After `stop`: `shutdown`. */
  send(message: M): void {
    if (this.#stopped) {
      this.#box.refuse(message, 'shutdown');
      return;
    }
    this.#box.put(message, this.#failure ?? 'queue_full');
    this.#pump();
  }

  /** As that of the other transports. */
  whenBelow(messages: number): Promise<void> | undefined {
    return this.#box.whenBelow(messages);
  }

  /** Resolves when all is written, or at the deadline, counted from now: the transport is then stopped. */
  async drain(deadlineMilliseconds: number): Promise<void> {
    if (this.queued === 0 || this.#stopped) return;
    this.#wake();
    if (!(await this.#box.whenEmpty(deadlineMilliseconds))) void this.stop();
  }

  /** Ends the file; what is queued is settled. Resolves when the file has its name. Idempotent. */
  stop(): Promise<void> {
    this.#ended ??= this.#end();
    return this.#ended;
  }

  get #box(): Outbox<M> {
    if (this.#outbox === undefined) throw new Error('the transport was used before start'); // a fault of the program
    return this.#outbox;
  }

  get #rotates(): boolean {
    return this.#options.rotateOctets !== undefined || this.#options.rotateSeconds !== undefined;
  }

  async #end(): Promise<void> {
    this.#stopped = true;
    // At once, so that what was not written is counted when this returns; a write under way is cut off again.
    this.#outbox?.settleAll(this.#failure ?? 'shutdown');
    this.#wake();
    await this.#running;
    await this.#finish();
  }

  // ---- the way out ----

  #pump(): void {
    if (this.#running !== undefined || this.#stopped) return;
    this.#running = this.#run().finally(() => {
      this.#running = undefined;
      if (this.#box.hasNext || this.#overdue) this.#pump(); // it came while the loop was ending
    });
  }

  /** Writes until there is nothing left to write. */
  async #run(): Promise<void> {
    await nextTurn(); // what is sent within this turn goes in one batch
    while (!this.#stopped) {
      if (this.#file !== undefined && this.#isDone(this.#file)) await this.#finish();
      // After the first, a file is begun when there is something to write.
      if (this.#file === undefined && this.counters.sessions > 0 && !this.#box.hasNext) return;
      try {
        this.#file ??= await this.#begin();
        if (this.#stopped || (this.#batch.length === 0 && !this.#box.hasNext)) return;
        await this.#writeBatch(this.#file);
        if (this.#failure !== undefined && !this.#stopped) this.#recover(this.#file.path);
      } catch (error) {
        await this.#failed(error as NodeJS.ErrnoException);
      }
    }
  }

  async #writeBatch(file: IpfixFile): Promise<void> {
    const outbox = this.#box;
    let octets = this.#batch.reduce((sum, { bytes }) => sum + bytes.length, 0);
    while (octets < BATCH_OCTETS && outbox.hasNext) {
      const { bytes } = outbox.next!;
      if (this.#ends(file, octets, bytes)) break;
      if (!outbox.isOpening && file.carried++ === 0) this.#beginPeriod(file, bytes);
      octets += bytes.length;
      this.#batch.push(outbox.take()!);
    }
    const { whole, error } = await file.write(this.#batch.map(({ bytes }) => bytes));
    if (this.#stopped) return; // all is settled, as not sent: it is cut off
    for (const { bytes } of this.#batch.splice(0, whole)) {
      file.accept(bytes);
      outbox.settleOldest();
    }
    if (error === undefined) return;
    await file.cut();
    throw error;
  }

  // ---- the files ----

  /** Whether the file ends before this Message. @param ahead octets that will be written to it before */
  #ends(file: IpfixFile, ahead: number, bytes: Uint8Array): boolean {
    const { rotateOctets } = this.#options;
    // What opens the session and one Message are in every file, or rotation would never come to an end.
    if (this.#box.isOpening || file.carried === 0) return false;
    if (rotateOctets !== undefined && file.octets + ahead + bytes.length > rotateOctets) return true;
    return this.#periodOf(bytes) !== file.period;
  }

  #periodOf(bytes: Uint8Array): number {
    const { rotateSeconds } = this.#options;
    return rotateSeconds === undefined ? 0 : Math.floor(exportSeconds(bytes) / rotateSeconds);
  }

  /** The file's first Message says which interval it is for. */
  #beginPeriod(file: IpfixFile, bytes: Uint8Array): void {
    file.period = this.#periodOf(bytes);
    const { live, rotateSeconds } = this.#options;
    if (!live || rotateSeconds === undefined) return;
    const leftMilliseconds = ((file.period + 1) * rotateSeconds - exportSeconds(bytes)) * 1000;
    this.#cancelOverdue = this.#clock.after(leftMilliseconds + GRACE_MILLISECONDS, () => {
      this.#overdue = true;
      this.#pump();
    });
  }

  #isDone(file: IpfixFile): boolean {
    if (this.#batch.length > 0) return false;
    if (this.#overdue) return true;
    const { next } = this.#box;
    return next !== undefined && this.#ends(file, 0, next.bytes);
  }

  /** Begins a session and its file; the session only once, however often the file is tried. */
  async #begin(): Promise<IpfixFile> {
    if (!this.#begun) {
      this.#begun = true;
      const waiting = this.#box.next;
      this.#box.beginSession();
      // What opens the session bears the time of now; what waits may be from an interval before.
      this.#beginsSeconds = exportSeconds((waiting ?? this.#box.next!).bytes);
    }
    const file = this.#rotates
      ? await this.#beginNumbered(this.#beginsSeconds)
      : await IpfixFile.begin(this.#options.path);
    this.#begun = false;
    this.#opened = true;
    this.#tell('connected', `writing ${file.path}`);
    return file;
  }

  async #beginNumbered(seconds: number): Promise<IpfixFile> {
    for (let number = 0; ; number++) {
      try {
        return await IpfixFile.begin(rotatedPath(this.#options.path, seconds, number));
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || number === MOST_A_SECOND) throw error;
      }
    }
  }

  async #finish(): Promise<void> {
    const file = this.#file;
    this.#cancelOverdue();
    this.#overdue = false;
    if (file === undefined) return;
    this.#file = undefined;
    try {
      await file.finish();
    } catch (error) {
      this.#tellError(`${file.path}.part keeps that name: ${explain(error as NodeJS.ErrnoException)}`);
    }
  }

  // ---- failure and recovery ----

  /** Tells, and waits for a while: the next attempt comes by the loop. */
  async #failed(error: NodeJS.ErrnoException): Promise<void> {
    if (error.code === undefined) throw error; // not the system's: a fault of the program
    if (this.#stopped) return;
    const isFull = error.code === 'ENOSPC' || error.code === 'EDQUOT';
    this.#failure = isFull ? 'disk_full' : 'other';
    this.#tellError(`cannot write ${this.#file?.path ?? this.#options.path}: ${explain(error)}`);
    await new Promise<void>((resolve) => {
      const cancel = this.#clock.after(this.#backoff.next(), resolve);
      this.#wake = () => {
        cancel();
        resolve();
      };
    });
    this.#wake = () => {};
  }

  #recover(path: string): void {
    this.#failure = undefined;
    this.#backoff.reset();
    this.#tell('recovered', `writing ${path} works again`);
  }

  #tell(kind: TransportEvent['kind'], text: string): void {
    if (kind !== 'connected') this.#told = '';
    this.#options.onEvent({ kind, text });
  }

  /** Counts an error, and tells of it unless it is the one told last. */
  #tellError(text: string): void {
    this.counters.sendErrors++;
    if (text === this.#told) return;
    this.#tell('error', text);
    this.#told = text;
  }
}

const MEANINGS: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full; what comes now waits for space',
  EDQUOT: 'the quota is used up; what comes now waits for space',
  EEXIST: 'it, or its .part, is there already, and Weir writes over no file; move it away',
  ENOENT: 'its folder does not exist; make it',
  EACCES: 'Weir may not write there',
  EPERM: 'Weir may not write there',
  EROFS: 'the file system is read-only',
};

function explain(error: NodeJS.ErrnoException): string {
  const meaning = MEANINGS[error.code ?? ''];
  return meaning === undefined ? error.message : `${error.code}, ${meaning}`;
}
