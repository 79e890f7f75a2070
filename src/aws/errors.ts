/** What the errors of AWS mean, and what to grant or change about each. One place for every service. */

/** What was tried, for the message: an error of AWS seldom names all three. */
export interface AwsAttempt {
  /** As a policy of IAM spells it: `s3:GetObject`. */
  readonly action: string;
  /** What a policy has to name: an ARN. */
  readonly resource: string;
  /** What the user calls it: `s3://bucket/key`. */
  readonly name: string;
}

export type AwsErrorKind =
  | 'access-denied'
  | 'no-credentials'
  | 'expired-credentials'
  | 'wrong-credentials'
  | 'clock'
  | 'no-such-bucket'
  | 'no-such-key'
  | 'no-such-queue'
  | 'no-such-resource'
  | 'archived'
  | 'changed'
  | 'wrong-region'
  | 'no-region'
  | 'throttled'
  | 'service-error'
  | 'network'
  | 'package-missing'
  | 'other';

/** An error of AWS in words: `message` is the problem and the remedy. */
export class AwsError extends Error {
  readonly kind: AwsErrorKind;
  /** What happened. */
  readonly problem: string;
  /** What to grant or change; empty where nothing is known to help. */
  readonly remedy: string;
  /** `wrong-region`: the right one, where the answer names it. */
  readonly region: string | undefined;

  constructor(
    kind: AwsErrorKind,
    problem: string,
    remedy: string,
    options: { region?: string | undefined; cause?: unknown } = {},
  ) {
    super(remedy === '' ? problem : `${problem}; ${remedy}`, { cause: options.cause });
    this.name = 'AwsError';
    this.kind = kind;
    this.problem = problem;
    this.remedy = remedy;
    this.region = options.region;
  }
}

/** What is read of an error of the SDK or of Node; all of it may be missing. */
interface RawError {
  readonly name?: string;
  readonly message?: string;
  readonly code?: string;
  readonly cause?: unknown;
  /** S3's AuthorizationHeaderMalformed names the right region so. */
  readonly Region?: string;
  readonly $metadata?: { readonly httpStatusCode?: number; readonly attempts?: number };
  readonly $response?: { readonly headers?: Readonly<Record<string, string>> };
}

const ACCESS_DENIED = new Set([
  'AccessDenied',
  'AccessDeniedException',
  'UnauthorizedOperation',
  'AllAccessDisabled',
  'Forbidden',
  'KMS.AccessDeniedException',
]);
const EXPIRED = new Set(['ExpiredToken', 'ExpiredTokenException', 'TokenRefreshRequired', 'RequestExpired']);
const WRONG_CREDENTIALS = new Set([
  'AuthFailure',
  'InvalidAccessKeyId',
  'InvalidClientTokenId',
  'InvalidToken',
  'SignatureDoesNotMatch',
  'InvalidSignatureException',
  'UnrecognizedClientException',
]);
const CLOCK = new Set(['RequestTimeTooSkewed', 'RequestInTheFuture']);
const NO_QUEUE = new Set(['QueueDoesNotExist', 'AWS.SimpleQueueService.NonExistentQueue']);
const WRONG_REGION = new Set([
  'PermanentRedirect',
  'AuthorizationHeaderMalformed',
  'IllegalLocationConstraintException',
]);
/** Those of the services used here; the SDK retries them before they get this far. */
const THROTTLED = new Set([
  'SlowDown',
  'Throttling',
  'ThrottlingException',
  'ThrottledException',
  'RequestThrottled',
  'RequestThrottledException',
  'RequestLimitExceeded',
  'TooManyRequestsException',
  'LimitExceededException',
  'BandwidthLimitExceeded',
  'OverLimit',
]);
const NETWORK = new Set([
  'ENOTFOUND',
  'EAI_AGAIN',
  'ECONNREFUSED',
  'ECONNRESET',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'ENETUNREACH',
  'EPIPE',
]);

/** The error that has one of the codes: itself, or what it wraps. */
function networkCode(error: RawError, depth = 0): string | undefined {
  if (error.code !== undefined && NETWORK.has(error.code)) return error.code;
  if (error.name === 'TimeoutError') return error.name;
  // Several addresses were tried (happy eyeballs).
  const inner = error instanceof AggregateError ? error.errors[0] : error.cause;
  return depth < 5 && inner instanceof Object ? networkCode(inner, depth + 1) : undefined;
}

/** Who was refused, from AWS's own sentence: `User: arn:… is not authorized to perform: …`. */
function principalOf(message: string): string {
  const arn = /\b(arn:aws[\w-]*:(?:sts|iam)::\S+?) is not authorized/.exec(message)?.[1];
  return arn === undefined ? '' : ` to ${arn}`;
}

/** AWS names what it refused more precisely than the caller can know: a key of KMS, a condition of a policy. */
function deniedRemedy(message: string, attempt: AwsAttempt): string {
  const named = /not authorized to perform: ([\w-]+:\w+)(?: on (?:the )?resource:? "?(arn:[^\s"]+))?/.exec(
    message,
  );
  const [action, resource] =
    named?.[1] === undefined
      ? [attempt.action, attempt.resource]
      : [
          named[1],
          named[2] ?? (named[1] === attempt.action ? attempt.resource : 'the key it is encrypted with'),
        ];
  const hidden =
    action === 's3:GetObject'
      ? ' (a key that is not there is answered so, too, where s3:ListBucket is not granted)'
      : '';
  const explicit = /explicit deny/.test(message)
    ? '; a policy denies it explicitly, which no grant undoes'
    : '';
  return `grant ${action} on ${resource}${principalOf(message)}${hidden}${explicit}`;
}

/**
 * An error of the SDK in words.
 * @param attempt what was tried when it came
 * @returns an {@link AwsError}; one that is given is returned as it is
 */
export function explainAwsError(error: unknown, attempt: AwsAttempt): AwsError {
  if (error instanceof AwsError) return error;
  const raw = (error instanceof Object ? error : { message: String(error) }) as RawError;
  const name = raw.name ?? '';
  const message = raw.message ?? '';
  const status = raw.$metadata?.httpStatusCode;
  const region = raw.$response?.headers?.['x-amz-bucket-region'] ?? raw.Region;
  const attempts = raw.$metadata?.attempts ?? 1;
  const tried = attempts > 1 ? ` after ${attempts} attempts` : '';
  const make = (kind: AwsErrorKind, problem: string, remedy: string): AwsError =>
    new AwsError(kind, `${attempt.name}: ${problem}`, remedy, { region, cause: error });

  if (
    name === 'CredentialsProviderError' ||
    /credential.*(missing|undefined)|Resolved credential/i.test(message)
  ) {
    return make(
      /expired|refresh/i.test(message) ? 'expired-credentials' : 'no-credentials',
      `no credentials for AWS were found (${message})`,
      'on AWS attach a role to the instance, task or function; elsewhere set AWS_PROFILE, or AWS_ACCESS_KEY_ID and ' +
        'AWS_SECRET_ACCESS_KEY, or log in with `aws sso login`',
    );
  }
  if (EXPIRED.has(name) || /token.*(is|has) expired/i.test(message)) {
    return make(
      'expired-credentials',
      'the credentials have expired',
      'renew them: log in again (`aws sso login`), or set a new AWS_SESSION_TOKEN with its keys',
    );
  }
  if (/^Region is missing/.test(message)) {
    return make('no-region', 'no region is known', 'set AWS_REGION, or a region in the profile, or --region');
  }
  if (WRONG_REGION.has(name) || status === 301) {
    return make(
      'wrong-region',
      region === undefined ? 'it lies in another region' : `it lies in the region ${region}`,
      region === undefined ? 'set AWS_REGION to that region' : `set AWS_REGION=${region}`,
    );
  }
  if (CLOCK.has(name)) {
    return make('clock', 'AWS refuses the time of the request', "set this machine's clock (NTP)");
  }
  if (WRONG_CREDENTIALS.has(name)) {
    return make(
      'wrong-credentials',
      `AWS does not accept the credentials (${name}${message === '' ? '' : `: ${message}`})`,
      'look at the access key, its secret and the session token; they belong together',
    );
  }
  if (name === 'NoSuchBucket') {
    return make('no-such-bucket', 'there is no such bucket', "look at the bucket's name, and at the account");
  }
  if (name === 'NoSuchKey') return make('no-such-key', 'there is no such object', '');
  if (NO_QUEUE.has(name)) {
    return make(
      'no-such-queue',
      'there is no such queue, or its policy hides it',
      "look at the queue's URL, its region and account",
    );
  }
  if (name === 'ResourceNotFoundException') {
    return make('no-such-resource', 'there is no such resource', 'look at its name, its region and account');
  }
  if (name === 'InvalidObjectState') {
    return make(
      'archived',
      'it is archived (Glacier)',
      'restore it (`aws s3api restore-object`), then convert it by its own URL',
    );
  }
  if (name === 'PreconditionFailed' || status === 412) {
    return make('changed', 'it was overwritten while it was read', '');
  }
  if (ACCESS_DENIED.has(name) || (status === 403 && !THROTTLED.has(name))) {
    return make('access-denied', `access denied: ${attempt.action}`, deniedRemedy(message, attempt));
  }
  if (THROTTLED.has(name) || status === 429) {
    return make(
      'throttled',
      `AWS still asks to slow down (${name || status})${tried}`,
      'try again later, or have the limit raised; what else uses this account shares it',
    );
  }
  const code = networkCode(raw);
  if (code !== undefined) {
    return make(
      'network',
      `AWS cannot be reached (${code}${message === '' || message === code ? '' : `: ${message}`})${tried}`,
      'look at the network: the route to AWS or the VPC endpoint, DNS, a proxy, AWS_ENDPOINT_URL',
    );
  }
  if (status !== undefined && status >= 500) {
    return make('service-error', `AWS failed (${status} ${name})${tried}`, 'try again later');
  }
  return make('other', [name === 'Error' ? '' : name, message].filter((part) => part !== '').join(': '), '');
}

/** Does it, and puts its error into words. @throws AwsError */
export async function explaining<T>(attempt: AwsAttempt, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    throw explainAwsError(error, attempt);
  }
}
