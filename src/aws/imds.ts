/**
 * The instance metadata service, version 2 alone: a token first (PUT), then every question with it. A token is renewed
 * before it ends, and at once where it is refused. Version 1, which answers anybody who gets a request through to it, is
 * never asked.
 */
import { request } from 'node:http';

export const IMDS_IPV4 = 'http://169.254.169.254';
export const IMDS_IPV6 = 'http://[fd00:ec2::254]';

const TOKEN_SECONDS = 21_600;
/** A token is renewed when it has less than this left. */
const RENEW_BEFORE_SECONDS = 300;
const TIMEOUT_MILLISECONDS = 2_000;
const MOST_OCTETS = 1_048_576;

export interface ImdsOptions {
  /** Asked one after the other until one answers; the IPv4 address and the IPv6 address unless given. */
  readonly endpoints?: readonly string[] | undefined;
  /** Monotonic. */
  readonly nowMilliseconds: () => number;
  readonly timeoutMilliseconds?: number | undefined;
}

/** An answer that is none: the service cannot be reached, or says something other than 200 and 404. */
export class ImdsError extends Error {
  /** The status of HTTP; undefined: there was no answer. */
  readonly status: number | undefined;

  constructor(message: string, status?: number, cause?: unknown) {
    super(message, { cause });
    this.name = 'ImdsError';
    this.status = status;
  }
}

interface Answer {
  readonly status: number;
  readonly body: string;
}

export class Imds {
  readonly #endpoints: readonly string[];
  readonly #now: () => number;
  readonly #timeoutMilliseconds: number;
  #token: { readonly endpoint: string; readonly text: string; readonly renewAt: number } | undefined;

  constructor({ endpoints, nowMilliseconds, timeoutMilliseconds }: ImdsOptions) {
    this.#endpoints = endpoints ?? [IMDS_IPV4, IMDS_IPV6];
    this.#now = nowMilliseconds;
    this.#timeoutMilliseconds = timeoutMilliseconds ?? TIMEOUT_MILLISECONDS;
  }

  /**
   * What stands at a path such as `meta-data/instance-id`; undefined: nothing does (404).
   * @throws ImdsError
   */
  async get(path: string, signal?: AbortSignal): Promise<string | undefined> {
    for (let isRetry = false; ; isRetry = true) {
      const { endpoint, text } = await this.#validToken(signal);
      const answer = await this.#ask(endpoint, `/latest/${path}`, 'GET', token(text), signal);
      if (answer.status === 200) return answer.body;
      if (answer.status === 404) return undefined;
      // The token has ended early: the machine was suspended, say.
      this.#token = undefined;
      if (answer.status !== 401 || isRetry)
        throw new ImdsError(`${endpoint}/latest/${path} answers ${answer.status}`, answer.status);
    }
  }

  /** The lines at a path; none where there is nothing. */
  async list(path: string, signal?: AbortSignal): Promise<string[]> {
    return ((await this.get(path, signal)) ?? '').split('\n').filter((line) => line !== '');
  }

  async #validToken(signal: AbortSignal | undefined): Promise<{ endpoint: string; text: string }> {
    if (this.#token !== undefined && this.#now() < this.#token.renewAt) return this.#token;
    this.#token = undefined;
    const header = { 'X-aws-ec2-metadata-token-ttl-seconds': String(TOKEN_SECONDS) };
    const problems: ImdsError[] = [];
    for (const endpoint of this.#endpoints) {
      try {
        const { status, body } = await this.#ask(endpoint, '/latest/api/token', 'PUT', header, signal);
        if (status !== 200 || body === '')
          throw new ImdsError(`${endpoint} gives no token: it answers ${status}`, status);
        const renewAt = this.#now() + (TOKEN_SECONDS - RENEW_BEFORE_SECONDS) * 1000;
        this.#token = { endpoint, text: body.trim(), renewAt };
        return this.#token;
      } catch (error) {
        if (!(error instanceof ImdsError)) throw error;
        problems.push(error);
      }
    }
    const answered = problems.find(({ status }) => status !== undefined);
    throw new ImdsError(problems.map(({ message }) => message).join('; '), answered?.status, answered);
  }

  #ask(
    endpoint: string,
    path: string,
    method: 'GET' | 'PUT',
    headers: Readonly<Record<string, string>>,
    signal: AbortSignal | undefined,
  ): Promise<Answer> {
    return new Promise((resolve, reject) => {
      const timeout = AbortSignal.timeout(this.#timeoutMilliseconds);
      const either = signal === undefined ? timeout : AbortSignal.any([signal, timeout]);
      const fail = (error: unknown) => {
        if (signal?.aborted === true) reject(signal.reason);
        else reject(new ImdsError(`${endpoint} ${whyNot(error, timeout)}`, undefined, error));
      };
      const asked = request(
        `${endpoint.replace(/\/$/, '')}${path}`,
        { method, headers, agent: false, signal: either },
        (response) => {
          let body = '';
          response.setEncoding('utf8');
          response.on('data', (text: string) => {
            body += text;
            if (body.length > MOST_OCTETS) response.destroy(new Error('its answer does not end'));
          });
          response.once('error', fail);
          response.once('end', () => resolve({ status: response.statusCode ?? 0, body }));
        },
      );
      asked.once('error', fail);
      asked.end();
    });
  }
}

function token(text: string): Record<string, string> {
  return { 'X-aws-ec2-metadata-token': text };
}

function whyNot(error: unknown, timeout: AbortSignal): string {
  if (timeout.aborted) return 'does not answer';
  const { code, message } = error as NodeJS.ErrnoException;
  return `cannot be reached (${code ?? message})`;
}
