/** IPFIX Files on a real file system; only time is the test's. */
import { execFileSync } from 'node:child_process';
import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmdirSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { type FileOptions, FileTransport } from '../../src/transport/file.ts';
import type { Session, TransportEvent, TransportNotSentReason } from '../../src/transport/session.ts';
import { FakeClock, range, until } from './helpers.ts';

const HEADER_OCTETS = 16;
const OPENING = 1_000_000;
/** 2026-01-01 00:00:00 UTC. */
const MIDNIGHT = 1_767_225_600;

interface NumberedMessage {
  readonly id: number;
  readonly bytes: Uint8Array;
  readonly messages: 1;
}

/** A Message with a header of IPFIX; its number stands for the Observation Domain. */
function numbered(id: number, seconds = MIDNIGHT, octets = 1000): NumberedMessage {
  const bytes = new Uint8Array(octets).fill(0xee);
  const view = new DataView(bytes.buffer);
  view.setUint16(0, 10);
  view.setUint16(2, octets);
  view.setUint32(4, seconds);
  view.setUint32(12, id);
  return { id, bytes, messages: 1 };
}

/** What a file says: the numbers of its Messages, and their sequence numbers; it has to end with a Message. */
function messagesOf(path: string): { ids: number[]; sequence: number[] } {
  const octets = readFileSync(path);
  const ids: number[] = [];
  const sequence: number[] = [];
  for (let at = 0; at < octets.length; at += octets.readUInt16BE(at + 2)) {
    if (octets.length - at < HEADER_OCTETS || octets.readUInt16BE(at) !== 10)
      throw new Error(`${path}: no Message at ${at}`);
    if (at + octets.readUInt16BE(at + 2) > octets.length) throw new Error(`${path} ends within a Message`);
    ids.push(octets.readUInt32BE(at + 12));
    sequence.push(octets.readUInt32BE(at + 8));
  }
  return { ids, sequence };
}

/** Keeps the books: each Message is settled once; the sequence numbers begin anew with each session. */
class FileBooks implements Session<NumberedMessage> {
  seconds = MIDNIGHT;
  sessions = 0;
  readonly sent: number[] = [];
  readonly notSent = new Map<number, TransportNotSentReason>();
  readonly #settled = new Set<number>();
  #sequence = 0;

  sessionStarted(): readonly NumberedMessage[] {
    this.sessions++;
    this.#sequence = 0;
    return [numbered(OPENING + this.sessions, this.seconds, 200)];
  }

  stamp({ bytes }: NumberedMessage): void {
    new DataView(bytes.buffer).setUint32(8, this.#sequence++);
  }

  settled({ id }: NumberedMessage, reason?: TransportNotSentReason): void {
    if (this.#settled.has(id)) throw new Error(`Message ${id} was settled twice`);
    this.#settled.add(id);
    if (reason === undefined) this.sent.push(id);
    else this.notSent.set(id, reason);
  }

  limitMessages(): void {
    throw new Error('a file limits nothing');
  }

  parted(): never {
    throw new Error('a file takes no trains');
  }

  withReason(reason: TransportNotSentReason): number[] {
    return [...this.notSent].filter(([, why]) => why === reason).map(([id]) => id);
  }
}

function transportTo(t: Test, path: string, options: Partial<FileOptions> = {}) {
  const events: TransportEvent[] = [];
  const clock = new FakeClock();
  const transport = new FileTransport<NumberedMessage>({
    path,
    live: false,
    maxQueuedMessages: 100_000,
    onEvent: (event) => events.push(event),
    clock,
    random: () => 0,
    ...options,
  });
  t.teardown(() => transport.stop());
  const books = new FileBooks();
  const start = () => transport.start(books);
  return { transport, events, clock, books, start };
}

t.test(
  'one file: the session’s first Message, then all in order; it has its name when it is whole',
  async (t) => {
    const folder = t.testdir({});
    const path = join(folder, 'flows.ipfix');
    const { transport, events, clock, books, start } = transportTo(t, path);
    t.equal(transport.state, 'resolving');
    start();
    for (const id of range(3_000)) transport.send(numbered(id));
    await until('all is written', () => transport.queued === 0);
    t.equal(transport.state, 'sending');
    t.same(readdirSync(folder), ['flows.ipfix.part'], 'under its other name until then');
    await transport.stop();
    t.same(readdirSync(folder), ['flows.ipfix']);
    const { ids, sequence } = messagesOf(path);
    t.same(ids, [OPENING + 1, ...range(3_000)]);
    t.same(sequence, range(3_001));
    t.same(books.sent, ids);
    t.match(transport.counters, { messagesSent: 3_001, octetsSent: 3_000_200, sessions: 1, sendErrors: 0 });
    t.same(events, [{ kind: 'connected', text: `writing ${path}` }]);
    t.equal(clock.pending, 0, 'no timer is left');

    transport.send(numbered(3_000));
    t.same(books.withReason('shutdown'), [3_000]);
  },
);

t.test('a file that is there already is never written over, whenever it comes', async (t) => {
  const folder = t.testdir({ 'flows.ipfix': 'mine', 'other.ipfix.part': 'mine' });
  for (const name of ['flows.ipfix', 'other.ipfix']) {
    const { transport, events, clock, start, books } = transportTo(t, join(folder, name));
    start();
    transport.send(numbered(0));
    await until('it is told', () => events.length > 0);
    t.match(
      events[0]!.text,
      /EEXIST, it, or its .part, is there already, and Weir writes over no file; move it away/,
    );
    t.equal(transport.state, 'failing');
    if (name === 'flows.ipfix') {
      rmSync(join(folder, name));
      await clock.advance(500);
      await until('it is written once the other is gone', () => books.sent.length === 2);
      t.equal(transport.state, 'sending');
      writeFileSync(join(folder, name), 'mine, too');
    }
    await transport.stop();
  }
  t.equal(readFileSync(join(folder, 'flows.ipfix'), 'utf8'), 'mine, too');
  t.equal(readFileSync(join(folder, 'other.ipfix.part'), 'utf8'), 'mine');
  t.same(messagesOf(join(folder, 'flows.ipfix.part')).ids, [OPENING + 1, 0], 'what was written is kept');
});

t.test('rotated by size: no file is larger, none is empty, each can be read alone', async (t) => {
  const folder = t.testdir({});
  const { transport, events, books, start } = transportTo(t, join(folder, 'flows.ipfix'), {
    rotateOctets: 65_536,
  });
  start();
  for (const id of range(1_000)) transport.send(numbered(id));
  await until('all is written', () => transport.queued === 0);
  await transport.stop();
  const names = readdirSync(folder).sort();
  t.match(names[0], /^flows-20260101T000000Z-000\.ipfix$/);
  t.equal(names.length, Math.ceil(1_000 / 65), 'a file holds 200 + 65 · 1000 octets');
  const all: number[] = [];
  for (const [i, name] of names.entries()) {
    const path = join(folder, name);
    t.ok(statSync(path).size <= 65_536);
    const { ids, sequence } = messagesOf(path);
    t.equal(ids[0], OPENING + 1 + i, 'each begins with the Messages of its session');
    t.same(sequence, range(ids.length), 'and counts from 0');
    all.push(...ids.slice(1));
  }
  t.same(all, range(1_000), 'by name they are in their order');
  t.equal(books.sessions, names.length);
  t.equal(events.length, names.length);
});

t.test('rotated by time, that of the Messages', async (t) => {
  const folder = t.testdir({});
  const { transport, books, start } = transportTo(t, join(folder, 'flows.ipfix'), { rotateSeconds: 300 });
  books.seconds = MIDNIGHT + 290;
  start();
  // 10 s before a boundary and behind it; an hour without any; a clock that is set back.
  const times = [290, 299, 300, 301, 599, 3_900, 3_901, 0, 1];
  for (const [id, time] of times.entries()) {
    books.seconds = MIDNIGHT + time;
    transport.send(numbered(id, MIDNIGHT + time));
    await until('it is written', () => transport.queued === 0);
  }
  await transport.stop();
  const files = readdirSync(folder)
    .sort()
    .map((name) => [name, messagesOf(join(folder, name)).ids.slice(1)]);
  t.same(files, [
    ['flows-20260101T000000Z-000.ipfix', [7, 8]],
    ['flows-20260101T000450Z-000.ipfix', [0, 1]],
    ['flows-20260101T000500Z-000.ipfix', [2, 3, 4]],
    ['flows-20260101T010500Z-000.ipfix', [5, 6]],
  ]);
});

t.test(
  'a file is named by the first Message that it carries, and not by the time of its writing',
  async (t) => {
    const folder = t.testdir({});
    const { transport, books, start } = transportTo(t, join(folder, 'flows.ipfix'), { rotateSeconds: 60 });
    books.seconds = MIDNIGHT + 3_600; // the data is read faster than it is written
    start();
    for (const id of range(3)) transport.send(numbered(id, MIDNIGHT + 60 * id));
    await until('all is written', () => transport.queued === 0);
    await transport.stop();
    t.same(readdirSync(folder).sort(), [
      'flows-20260101T000000Z-000.ipfix',
      'flows-20260101T000100Z-000.ipfix',
      'flows-20260101T000200Z-000.ipfix',
    ]);
  },
);

t.test('live, a file ends with its interval although nothing comes', async (t) => {
  const folder = t.testdir({});
  const { transport, books, clock, start } = transportTo(t, join(folder, 'flows.ipfix'), {
    rotateSeconds: 60,
    live: true,
  });
  start();
  await until('the first has begun', () => books.sent.length === 1);
  await clock.advance(600_000);
  t.same(readdirSync(folder), ['flows-20260101T000000Z-000.ipfix.part'], 'one that carries nothing waits');
  books.seconds = MIDNIGHT + 640;
  transport.send(numbered(0, MIDNIGHT + 640));
  await until('it is written', () => transport.queued === 0);
  await clock.advance(20_999);
  t.same(readdirSync(folder), ['flows-20260101T000000Z-000.ipfix.part']);
  await clock.advance(1);
  await until('it has ended', () => readdirSync(folder)[0] === 'flows-20260101T000000Z-000.ipfix');
  await clock.advance(600_000);
  t.equal(books.sessions, 1, 'the next is begun with the next Message');
  transport.send(numbered(1, MIDNIGHT + 1_300));
  await until('it is written', () => transport.queued === 0);
  await transport.stop();
  t.equal(readdirSync(folder).length, 2);
  t.equal(clock.pending, 0, 'no timer is left');
});

t.test('a folder that is not there, and then is', async (t) => {
  const folder = join(t.testdir({}), 'later');
  const { transport, books, events, clock, start } = transportTo(t, join(folder, 'flows.ipfix'), {
    maxQueuedMessages: 2,
  });
  start();
  await until('it is told', () => events.length > 0);
  for (const id of range(3)) transport.send(numbered(id));
  t.same(books.withReason('other'), [2]);
  t.match(events[0], { kind: 'error', text: /ENOENT, its folder does not exist; make it$/ });
  for (let attempts = 1; attempts < 4; attempts++) {
    await clock.advance(30_000);
    await until('it is tried again', () => transport.counters.sendErrors > attempts);
  }
  t.equal(events.length, 1, 'the same error is told once');
  mkdirSync(folder);
  await clock.advance(30_000);
  await until('what waited is written', () => transport.queued === 0);
  await transport.stop();
  t.same(messagesOf(join(folder, 'flows.ipfix')).ids, [OPENING + 1, 0, 1]);
  t.same(
    events.map(({ kind }) => kind),
    ['error', 'connected', 'recovered'],
  );
});

t.test('stopped before all is written: what is in no file is counted, and the file is whole', async (t) => {
  const path = join(t.testdir({}), 'flows.ipfix');
  const { transport, books, start } = transportTo(t, path);
  start();
  for (const id of range(20_000)) transport.send(numbered(id));
  await until('some is written', () => books.sent.length > 1);
  await transport.stop();
  t.equal(books.sent.length - 1 + books.withReason('shutdown').length, 20_000);
  t.same(messagesOf(path).ids, books.sent);
});

/** A file system of so many octets, in memory. Undefined: it cannot be made here. */
function smallDisk(t: Test, octets: number): string | undefined {
  const folder = mkdtempSync(join(tmpdir(), 'weir-disk-'));
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${octets}`, 'weir-test', folder], { stdio: 'pipe' });
  } catch {
    rmdirSync(folder);
    return undefined;
  }
  t.teardown(() => {
    execFileSync('umount', [folder]);
    rmdirSync(folder);
  });
  return folder;
}

const DISK_OCTETS = 524_288;

for (const rotateOctets of [undefined, 65_536]) {
  const name = `a disk that is full, and then is not: ${rotateOctets === undefined ? 'one file' : 'several'}`;
  t.test(name, { skip: process.geteuid?.() !== 0 && 'mounting a file system needs root' }, async (t) => {
    const folder = smallDisk(t, DISK_OCTETS);
    if (folder === undefined) {
      t.pass('skipped: the kernel refuses to mount a tmpfs');
      return;
    }
    const { transport, books, events, clock, start } = transportTo(t, join(folder, 'flows.ipfix'), {
      rotateOctets,
      maxQueuedMessages: 700,
    });
    t.teardown(() => transport.stop()); // before the file system goes
    start();
    for (const id of range(700)) transport.send(numbered(id));
    await until('the disk is full', () => transport.state === 'failing');
    const before = books.sent.length;
    t.ok(before > 400 && before < 540, `${before} Messages of 1000 octets are in ${DISK_OCTETS} octets`);
    for (const id of range(1_000, 700)) transport.send(numbered(id));
    const lost = books.withReason('disk_full');
    t.ok(lost.length > 0 && lost[0]! > 700, 'the newest have no room');
    for (let attempts = 1; attempts < 6; attempts++) {
      await clock.advance(30_000);
      await until('it is tried again', () => transport.counters.sendErrors > attempts);
    }
    await until('it waits again, with what was half written cut off', () => clock.pending > 0);
    t.equal(books.sent.length, before);
    const errors = events.filter(({ kind }) => kind === 'error');
    t.equal(errors.length, 1, 'it is said once', { events });
    t.match(errors[0]!.text, /ENOSPC, the disk is full; what comes now waits for space$/);
    for (const one of readdirSync(folder)) messagesOf(join(folder, one)); // none ends within a Message

    execFileSync('mount', ['-o', 'remount,size=4194304', folder]);
    await clock.advance(30_000);
    await until('what waited is written', () => transport.queued === 0);
    t.equal(transport.state, 'sending');
    t.equal(events.filter(({ kind }) => kind === 'recovered').length, 1, 'that is said, too');
    transport.send(numbered(1_700));
    await until('it goes on', () => transport.queued === 0);
    await transport.stop();
    t.equal(clock.pending, 0, 'no timer is left');
    const ids: number[] = [];
    for (const one of readdirSync(folder).sort()) {
      t.match(one, /\.ipfix$/);
      const file = messagesOf(join(folder, one));
      t.ok(file.ids[0]! > OPENING, 'templates come first');
      t.same(file.sequence, range(file.ids.length));
      ids.push(...file.ids.filter((id) => id < OPENING));
    }
    t.same(
      ids,
      books.sent.filter((id) => id < OPENING),
      'what was counted as sent is there, once and in order',
    );
    t.equal(ids.length + lost.length, 1_701, 'and nothing is missing but what was counted');
  });
}

t.test(
  'a disk that is full from the start: a single Message waits, too, and the file is written when there is space',
  { skip: process.geteuid?.() !== 0 && 'mounting a file system needs root' },
  async (t) => {
    const folder = smallDisk(t, DISK_OCTETS);
    if (folder === undefined) {
      t.pass('skipped: the kernel refuses to mount a tmpfs');
      return;
    }
    const ballast = join(folder, 'ballast');
    writeFileSync(ballast, new Uint8Array(DISK_OCTETS));
    const { transport, books, start, clock, events } = transportTo(t, join(folder, 'flows.ipfix'));
    t.teardown(() => transport.stop());
    start();
    transport.send(numbered(0));
    await until('the disk is full', () => transport.state === 'failing');
    await until('it waits', () => clock.pending > 0);
    rmSync(ballast);
    await clock.advance(500);
    await until('all is written, although nothing more has come', () => transport.queued === 0);
    await transport.stop();
    t.same(messagesOf(join(folder, 'flows.ipfix')).ids, [OPENING + 1, 0]);
    t.equal(books.notSent.size, 0);
    t.match(events.at(-1), { kind: 'recovered' });
  },
);

t.test(
  'a disk that stays full: all is counted at the end, and the file is whole',
  {
    skip: process.geteuid?.() !== 0 && 'mounting a file system needs root',
  },
  async (t) => {
    const folder = smallDisk(t, DISK_OCTETS);
    if (folder === undefined) {
      t.pass('skipped: the kernel refuses to mount a tmpfs');
      return;
    }
    const { transport, books, start, clock } = transportTo(t, join(folder, 'flows.ipfix'));
    t.teardown(() => transport.stop());
    start();
    for (const id of range(700)) transport.send(numbered(id));
    await until('the disk is full', () => transport.state === 'failing');
    const drained = transport.drain(1_000);
    await clock.advance(1_000);
    await drained;
    await transport.stop();
    t.equal(books.sent.length - 1 + books.withReason('disk_full').length, 700);
    t.same(messagesOf(join(folder, 'flows.ipfix')).ids, books.sent);
  },
);
