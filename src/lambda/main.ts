/**
 * The bundle's entry: `index.handler` takes every event that it knows; the other names take their own kind alone, so that a
 * function that is wired to the wrong source says so. This file alone in lambda/ touches the process.
 */

import { randomInt } from 'node:crypto';
import type { EventKind } from './events.ts';
import { type InvocationContext, Runtime } from './runtime.ts';

const runtime = new Runtime({
  environment: process.env,
  write: (line) => void process.stdout.write(line),
  random32: () => randomInt(2 ** 32),
});

type Handler = (event: unknown, context: InvocationContext) => Promise<unknown>;

const handlerOf =
  (...kinds: EventKind[]): Handler =>
  (event, context) =>
    runtime.invoke(event, context, kinds);

/** Whatever comes. */
export const handler: Handler = handlerOf();
/** A subscription of CloudWatch Logs. */
export const cloudWatchLogs: Handler = handlerOf('cloudwatch-logs');
/** Notifications of S3, straight or through SNS, SQS or EventBridge. */
export const s3: Handler = handlerOf('s3', 's3-queue', 's3-topic', 's3-eventbridge');
/** A Kinesis stream with a subscription's envelopes. */
export const kinesis: Handler = handlerOf('kinesis');
/** A transformation of Firehose. */
export const firehose: Handler = handlerOf('firehose');
