/**
 * The clients of AWS's SDK: region, endpoint, credentials and retries in one place.
 *
 * The packages are optional and large, so each is loaded when its client is first asked for. Credentials come from
 * the SDK's chain (environment, profile, SSO, container, instance role), and so do AWS_REGION and AWS_ENDPOINT_URL.
 */
import type { CloudWatchLogsClient } from '@aws-sdk/client-cloudwatch-logs';
import type { EC2Client } from '@aws-sdk/client-ec2';
import type { S3Client } from '@aws-sdk/client-s3';
import type { SQSClient } from '@aws-sdk/client-sqs';
import type { SSMClient } from '@aws-sdk/client-ssm';
import { AwsError } from './errors.ts';

export interface AwsOptions {
  /** Undefined: AWS_REGION, or that of the profile. */
  readonly region?: string | undefined;
  /** Every service's URL. Undefined: AWS_ENDPOINT_URL and its like, else AWS. */
  readonly endpoint?: string | undefined;
  /** A request's attempts in all, the first counted; 10 unless given: some 20 s where AWS throttles. */
  readonly maxAttempts?: number | undefined;
}

/** A client and the package that it is of: `new sdk.GetObjectCommand(…)`. */
export interface Loaded<Sdk, Client> {
  readonly sdk: Sdk;
  readonly client: Client;
}
export type S3 = Loaded<typeof import('@aws-sdk/client-s3'), S3Client>;
export type Sqs = Loaded<typeof import('@aws-sdk/client-sqs'), SQSClient>;
export type CloudWatchLogs = Loaded<typeof import('@aws-sdk/client-cloudwatch-logs'), CloudWatchLogsClient>;
export type Ec2 = Loaded<typeof import('@aws-sdk/client-ec2'), EC2Client>;
export type Ssm = Loaded<typeof import('@aws-sdk/client-ssm'), SSMClient>;

const MAX_ATTEMPTS = 10;
const CONNECT_MILLISECONDS = 5_000;
/** A connection on which nothing moves. Longer than a long poll of SQS (20 s). */
const SILENCE_MILLISECONDS = 60_000;

interface Destroyable {
  destroy(): void;
}

/** The part of a client's middleware that counts. */
interface Stack {
  addRelativeTo(
    middleware: (next: (args: never) => Promise<never>, context: unknown) => (args: never) => Promise<never>,
    options: { name: string; relation: 'after'; toMiddleware: string },
  ): void;
}

/** One set of clients; each is made when it is first asked for. `new` is inert. */
export class AwsClients {
  /** Requests that were made again: throttled, answered with a 5xx, or the network failed. */
  retries = 0;

  readonly #options: AwsOptions;
  readonly #made = new Map<string, Promise<Loaded<unknown, Destroyable>>>();

  constructor(options: AwsOptions = {}) {
    this.#options = options;
  }

  /**
   * @param region instead of the configured one: where the bucket lies
   * @throws AwsError `package-missing`
   */
  s3(region?: string): Promise<S3> {
    return this.#once(`s3 ${region ?? ''}`, async () => {
      const sdk = await importPackage('@aws-sdk/client-s3', () => import('@aws-sdk/client-s3'));
      const client = new sdk.S3Client({
        ...this.#config(region),
        // A local endpoint has no name for each bucket.
        forcePathStyle: this.#options.endpoint !== undefined,
        // gzip has its own CRC, TLS its MAC: a third check, in JavaScript, would cost more than parsing does.
        responseChecksumValidation: 'WHEN_REQUIRED',
      });
      this.#count(client.middlewareStack as unknown as Stack);
      return { sdk, client };
    });
  }

  /**
   * @param region instead of the configured one: that of the queue's URL
   * @param endpoint where none is configured: the origin of the queue's URL
   */
  sqs(region?: string, endpoint?: string): Promise<Sqs> {
    return this.#once(`sqs ${region ?? ''} ${endpoint ?? ''}`, async () => {
      const sdk = await importPackage('@aws-sdk/client-sqs', () => import('@aws-sdk/client-sqs'));
      const client = new sdk.SQSClient(this.#config(region, this.#options.endpoint ?? endpoint));
      this.#count(client.middlewareStack as unknown as Stack);
      return { sdk, client };
    });
  }

  cloudWatchLogs(): Promise<CloudWatchLogs> {
    return this.#once('logs', async () => {
      const sdk = await importPackage(
        '@aws-sdk/client-cloudwatch-logs',
        () => import('@aws-sdk/client-cloudwatch-logs'),
      );
      const client = new sdk.CloudWatchLogsClient(this.#config());
      this.#count(client.middlewareStack as unknown as Stack);
      return { sdk, client };
    });
  }

  /** @param region instead of the configured one: where the flow log is */
  ec2(region?: string): Promise<Ec2> {
    return this.#once(`ec2 ${region ?? ''}`, async () => {
      const sdk = await importPackage('@aws-sdk/client-ec2', () => import('@aws-sdk/client-ec2'));
      const client = new sdk.EC2Client(this.#config(region));
      this.#count(client.middlewareStack as unknown as Stack);
      return { sdk, client };
    });
  }

  ssm(): Promise<Ssm> {
    return this.#once('ssm', async () => {
      const sdk = await importPackage('@aws-sdk/client-ssm', () => import('@aws-sdk/client-ssm'));
      const client = new sdk.SSMClient(this.#config());
      this.#count(client.middlewareStack as unknown as Stack);
      return { sdk, client };
    });
  }

  /** Closes the connections of all clients. */
  async close(): Promise<void> {
    const made = [...this.#made.values()];
    this.#made.clear();
    for (const result of await Promise.allSettled(made)) {
      if (result.status === 'fulfilled') result.value.client.destroy();
    }
  }

  #once<Made extends Loaded<unknown, Destroyable>>(name: string, make: () => Promise<Made>): Promise<Made> {
    const known = this.#made.get(name) as Promise<Made> | undefined;
    if (known !== undefined) return known;
    const made = make();
    this.#made.set(name, made);
    return made;
  }

  #config(region = this.#options.region, endpoint = this.#options.endpoint) {
    const { maxAttempts = MAX_ATTEMPTS } = this.#options;
    return {
      ...(region === undefined ? {} : { region }),
      ...(endpoint === undefined ? {} : { endpoint }),
      maxAttempts,
      // `adaptive` paces a whole client after one refusal, and starts at one request in two seconds.
      retryMode: 'standard',
      requestHandler: { connectionTimeout: CONNECT_MILLISECONDS, socketTimeout: SILENCE_MILLISECONDS },
    };
  }

  /** Within the SDK's own retries, so that every attempt after a call's first is seen as it is made. */
  #count(stack: Stack): void {
    stack.addRelativeTo(
      (next) => {
        // A command's chain is put together anew for every call.
        let attempts = 0;
        return (args) => {
          if (attempts++ > 0) this.retries++;
          return next(args);
        };
      },
      { name: 'countRetries', relation: 'after', toMiddleware: 'retryMiddleware' },
    );
  }
}

/** Loads an optional package. @throws AwsError that says how to install it */
export async function importPackage<T>(name: string, load: () => Promise<T>): Promise<T> {
  try {
    return await load();
  } catch (error) {
    throw new AwsError('package-missing', `${name} is not installed`, `install it: npm install ${name}`, {
      cause: error,
    });
  }
}
