/**
 * A CloudWatch Logs group, polled by FilterLogEvents:
 *
 *   from = max(--since, newest − look-back) ─▶ page ─▶ events not converted yet ─▶ one object ─▶ exported ─▶ checkpoint
 *                      ▲                        │ nextToken
 *                      └── with --follow, after a pause, at the last page
 *
 * CloudWatch Logs sorts events by their time, and a flow log's event has the time of its window's start: it becomes visible
 * up to a quarter of an hour later, among events long read. So a group is read again from a look-back before the newest
 * event on, and events are told by their IDs. A page is an object; while one is exported the next is fetched.
 */

import { createHash } from 'node:crypto';
import { setTimeout as delay } from 'node:timers/promises';
import type { AwsClients } from '../../aws/clients.ts';
import { explaining } from '../../aws/errors.ts';
import type { LogFormat, LogObject, LogSource, TextContent } from '../log-object.ts';
import { Checkpoint, LOOK_BACK_MILLISECONDS as KEPT_MILLISECONDS, notInCheckpoint } from './checkpoint.ts';
import { RecordsNotSentError } from './source-error.ts';

/** Windows are at most 10 minutes long, and delivered within about 5 more. Less than what a checkpoint keeps. */
const LOOK_BACK_MILLISECONDS = 30 * 60_000;
/** A flow log is no faster than its windows of a minute, and each poll reads the look-back again. */
const POLL_MILLISECONDS = 60_000;
/** Of an event's ID, some 60 digits, the SHA-256: that two of a million share it has the chance 1 in 10^17. */
const DIGEST_OCTETS = 12;

export interface LogEvent {
  readonly eventId: string;
  /** Unix milliseconds. */
  readonly timestamp: number;
  readonly message: string;
}

/** A page of FilterLogEvents. */
export interface LogEventsPage {
  readonly events: readonly LogEvent[];
  readonly nextToken: string | undefined;
}

/** Times are Unix milliseconds, both included. */
export interface LogEventsRequest {
  readonly startTime: number | undefined;
  readonly endTime: number | undefined;
  readonly nextToken: string | undefined;
}

/** FilterLogEvents of one group; rejects with an error that says what to do. */
export type FilterLogEvents = (request: LogEventsRequest, signal: AbortSignal) => Promise<LogEventsPage>;

export interface CloudWatchOptions {
  /** Name or ARN of the log group, for messages. */
  readonly logGroup: string;
  readonly filterLogEvents: FilterLogEvents;
  /** Of every line; undefined: nobody knows. */
  readonly format: LogFormat | undefined;
  /** Unix milliseconds of the first event's time, included; undefined: from the oldest. */
  readonly sinceMilliseconds: number | undefined;
  /** Unix milliseconds that the events' time is before; undefined: to the newest. */
  readonly untilMilliseconds: number | undefined;
  /** Goes on until the signal. */
  readonly follow: boolean;
  /** A file; undefined: what has been converted is known to this run alone. */
  readonly checkpoint: string | undefined;
  readonly pollMilliseconds?: number | undefined;
  /** Unix milliseconds. */
  readonly unix: () => number;
}

export class CloudWatchSource implements LogSource {
  readonly found = { objects: 0, storedOctets: 0 };
  readonly vanished = 0;
  readonly #options: CloudWatchOptions;
  readonly #checkpoint: Checkpoint;
  /** The events of the objects that were handed over and are not exported yet. */
  readonly #events = new Map<LogObject, readonly LogEvent[]>();

  constructor(options: CloudWatchOptions) {
    this.#options = options;
    this.#checkpoint = new Checkpoint(`cloudwatch://${options.logGroup}`, options.checkpoint);
  }

  async *objects(signal: AbortSignal): AsyncIterable<LogObject> {
    const { follow, pollMilliseconds = POLL_MILLISECONDS } = this.#options;
    await this.#checkpoint.load();
    for (;;) {
      yield* this.#readOnce(signal);
      if (!follow || signal.aborted) return;
      try {
        await delay(pollMilliseconds, undefined, { signal });
      } catch {
        return; // aborted
      }
    }
  }

  async exported(object: LogObject): Promise<void> {
    const events = this.#events.get(object);
    if (events === undefined) throw new Error(`${object.name} did not come from here`); // a fault of the program
    this.#events.delete(object);
    await this.#checkpoint.addAll(
      events.map(({ eventId, timestamp }) => [digest(eventId), timestamp] as const),
      // An event that claims to be later than now must not move the look-back beyond what is still to come.
      this.#options.unix(),
    );
  }

  /** Its events are not marked: the next reading of the look-back, or the next start, has them again. */
  async failed(object: LogObject, error: Error): Promise<void> {
    this.#events.delete(object);
    const { checkpoint } = this.#options;
    if (error instanceof RecordsNotSentError && checkpoint !== undefined) {
      throw notInCheckpoint(object.name, error, checkpoint);
    }
  }

  /** Every page from the look-back on, once. */
  async *#readOnce(signal: AbortSignal): AsyncIterable<LogObject> {
    const { filterLogEvents, sinceMilliseconds, untilMilliseconds } = this.#options;
    const startTime = latest(sinceMilliseconds, this.#fromMilliseconds);
    // All there was up to then has been converted long since; AWS refuses a time that ends before it begins.
    if (startTime !== undefined && untilMilliseconds !== undefined && startTime >= untilMilliseconds) return;
    const endTime = untilMilliseconds === undefined ? undefined : untilMilliseconds - 1;
    const fetchPage = (nextToken: string | undefined): Promise<LogEventsPage> => {
      const page = filterLogEvents({ startTime, endTime, nextToken }, signal);
      page.catch(() => {}); // it is awaited later, or nobody wants it any more
      return page;
    };
    for (let next: Promise<LogEventsPage> | undefined = fetchPage(undefined); next !== undefined; ) {
      let page: LogEventsPage;
      try {
        page = await next;
      } catch (error) {
        if (signal.aborted) return;
        throw error;
      }
      if (signal.aborted) return;
      // By their IDs alone: what is older than the checkpoint's window was not asked for.
      const events = page.events.filter(({ eventId }) => !this.#checkpoint.has(digest(eventId)));
      next = page.nextToken === undefined ? undefined : fetchPage(page.nextToken);
      if (events.length === 0) continue;
      const object = this.#objectOf(events);
      this.#events.set(object, events);
      this.found.objects++;
      this.found.storedOctets += object.storedOctets!;
      yield object;
    }
  }

  /** Where to read from, in Unix milliseconds; undefined: nothing has been converted yet. */
  get #fromMilliseconds(): number | undefined {
    const from = this.#checkpoint.oldest + (KEPT_MILLISECONDS - LOOK_BACK_MILLISECONDS);
    return Number.isFinite(from) ? Math.max(0, from) : undefined;
  }

  #objectOf(events: readonly LogEvent[]): LogObject {
    const { logGroup, format } = this.#options;
    const content = linesOf(events.map(({ message }) => message));
    return {
      name: `cloudwatch://${logGroup} from ${new Date(events[0]!.timestamp).toISOString()}`,
      storedOctets: content.octets,
      content,
      format,
    };
  }
}

/** Messages as lines of text, as they come from CloudWatch Logs: without a header. */
export function linesOf(messages: readonly string[]): TextContent & { readonly octets: number } {
  // An event that ends with a line feed has no empty line behind it.
  const text = Buffer.from(messages.map((message) => `${message.replace(/\r?\n$/, '')}\n`).join(''), 'utf8');
  return {
    kind: 'text',
    header: 'none',
    octets: text.length,
    async *chunks() {
      yield text;
    },
  };
}

/** FilterLogEvents by the client of CloudWatch Logs. @param logGroup name or ARN @throws AwsError */
export function filterLogEventsOf(clients: AwsClients, logGroup: string): FilterLogEvents {
  const isArn = logGroup.startsWith('arn:');
  const attempt = {
    action: 'logs:FilterLogEvents',
    resource: isArn ? `${logGroup}:*` : `arn:aws:logs:*:*:log-group:${logGroup}:*`,
    name: `cloudwatch://${logGroup}`,
  };
  return (request, abortSignal) =>
    explaining(attempt, async () => {
      const { sdk, client } = await clients.cloudWatchLogs();
      const given = Object.entries(request).filter(([, value]) => value !== undefined);
      const command = new sdk.FilterLogEventsCommand({
        ...(isArn ? { logGroupIdentifier: logGroup } : { logGroupName: logGroup }),
        ...Object.fromEntries(given),
      });
      const { events = [], nextToken } = await client.send(command, { abortSignal });
      return {
        events: events.map(({ eventId, logStreamName, ingestionTime, timestamp = 0, message = '' }) => ({
          // AWS gives every event an ID; without one, two events are the same if everything about them is.
          eventId: eventId ?? JSON.stringify([logStreamName, ingestionTime, timestamp, message]),
          timestamp,
          message,
        })),
        nextToken,
      };
    });
}

function latest(a: number | undefined, b: number | undefined): number | undefined {
  return a === undefined ? b : b === undefined ? a : Math.max(a, b);
}

function digest(eventId: string): string {
  return createHash('sha256').update(eventId).digest().toString('base64', 0, DIGEST_OCTETS);
}
