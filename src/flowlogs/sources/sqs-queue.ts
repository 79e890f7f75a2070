/** A queue of SQS: how it is named, and what is asked of it. */
import type { AwsClients, Sqs } from '../../aws/clients.ts';
import { explaining } from '../../aws/errors.ts';
import { SourceError } from './source-error.ts';

/** A queue by its URL, or by its name until the URL has been asked for. */
export interface QueuePlace {
  readonly url: string | undefined;
  readonly name: string;
  readonly account: string | undefined;
  readonly region: string | undefined;
}

export interface QueueMessage {
  readonly id: string;
  readonly receipt: string;
  readonly body: string;
}

const BATCH = 10;
const LONG_POLL_SECONDS = 20;

/**
 * `sqs://sqs.eu-west-1.amazonaws.com/123456789012/NAME` (the queue's URL), `sqs+http://…` for an endpoint without TLS,
 * `sqs://NAME`, `sqs://arn:aws:sqs:REGION:ACCOUNT:NAME`, and the URL or the ARN as AWS shows them.
 * @throws SourceError
 */
export function parseQueue(text: string): QueuePlace {
  const arn = /^(?:sqs:\/\/)?arn:aws[\w-]*:sqs:([\w-]+):(\d{12}):([\w.-]+)$/.exec(text);
  if (arn !== null) return { url: undefined, name: arn[3]!, account: arn[2]!, region: arn[1]! };
  const url = /^(?:sqs(?:\+(https?))?|(https?)):\/\/([^/]+)((?:\/[^/]+)*\/([\w.-]+))$/.exec(text);
  if (url !== null) {
    const host = url[3]!;
    return {
      url: `${url[1] ?? url[2] ?? 'https'}://${host}${url[4]}`,
      name: url[5]!,
      account: /\/(\d{12})\//.exec(url[4]!)?.[1],
      region: /^(?:sqs\.([\w-]+)|([\w-]+)\.queue)\.amazonaws\.com/.exec(host)?.slice(1).find(Boolean),
    };
  }
  const name = /^sqs:\/\/([\w-]{1,80}(?:\.fifo)?)$/.exec(text)?.[1];
  if (name !== undefined) return { url: undefined, name, account: undefined, region: undefined };
  throw new SourceError(
    `${text}: not a queue; write sqs://sqs.REGION.amazonaws.com/ACCOUNT/NAME (its URL), sqs://NAME, or its ARN`,
  );
}

/** The queue's commands, each of whose errors says what to grant. All throw AwsError. */
export class SqsQueue {
  readonly #clients: AwsClients;
  readonly #place: QueuePlace;
  #url: string | undefined;

  constructor(clients: AwsClients, place: QueuePlace) {
    this.#clients = clients;
    this.#place = place;
    this.#url = place.url;
  }

  /** Waits up to 20 s for messages, which nobody else sees for so long. */
  async receive(visibilitySeconds: number, signal: AbortSignal): Promise<QueueMessage[]> {
    const answer = await this.#send('sqs:ReceiveMessage', ({ sdk, client }, QueueUrl) =>
      client.send(
        new sdk.ReceiveMessageCommand({
          QueueUrl,
          MaxNumberOfMessages: BATCH,
          WaitTimeSeconds: LONG_POLL_SECONDS,
          VisibilityTimeout: visibilitySeconds,
        }),
        { abortSignal: signal },
      ),
    );
    return (answer.Messages ?? []).map(({ MessageId, ReceiptHandle, Body }) => ({
      id: MessageId!,
      receipt: ReceiptHandle!,
      body: Body ?? '',
    }));
  }

  /** @returns the messages that SQS would not delete: their receipts have run out */
  async delete(receipts: readonly string[]): Promise<number> {
    return await this.#inBatches(receipts, async (Entries) => {
      const answer = await this.#send('sqs:DeleteMessage', ({ sdk, client }, QueueUrl) =>
        client.send(new sdk.DeleteMessageBatchCommand({ QueueUrl, Entries })),
      );
      return answer.Failed?.length ?? 0;
    });
  }

  /**
   * The messages stay hidden for so long from now on; 0: others see them at once.
   * @returns those for which SQS refused it: they are visible already
   */
  async hide(receipts: readonly string[], seconds: number, signal?: AbortSignal): Promise<number> {
    return await this.#inBatches(receipts, async (entries) => {
      const answer = await this.#send('sqs:ChangeMessageVisibility', ({ sdk, client }, QueueUrl) =>
        client.send(
          new sdk.ChangeMessageVisibilityBatchCommand({
            QueueUrl,
            Entries: entries.map((entry) => ({ ...entry, VisibilityTimeout: seconds })),
          }),
          signal === undefined ? {} : { abortSignal: signal },
        ),
      );
      return answer.Failed?.length ?? 0;
    });
  }

  async #inBatches(
    receipts: readonly string[],
    send: (entries: { Id: string; ReceiptHandle: string }[]) => Promise<number>,
  ): Promise<number> {
    let failed = 0;
    for (let i = 0; i < receipts.length; i += BATCH) {
      const batch = receipts.slice(i, i + BATCH);
      failed += await send(batch.map((ReceiptHandle, at) => ({ Id: String(at), ReceiptHandle })));
    }
    return failed;
  }

  async #send<T>(action: string, send: (sqs: Sqs, queueUrl: string) => Promise<T>): Promise<T> {
    const { name, account, region } = this.#place;
    const sqs = await this.#clients.sqs(region, this.#place.url && new URL(this.#place.url).origin);
    const attempt = {
      action,
      resource: `arn:aws:sqs:${region ?? '*'}:${account ?? '*'}:${name}`,
      name: `sqs://${name}`,
    };
    const url =
      this.#url ?? (await explaining({ ...attempt, action: 'sqs:GetQueueUrl' }, () => this.#find(sqs)));
    this.#url = url;
    return await explaining(attempt, () => send(sqs, url));
  }

  async #find({ sdk, client }: Sqs): Promise<string> {
    const { name, account } = this.#place;
    const answer = await client.send(
      new sdk.GetQueueUrlCommand({
        QueueName: name,
        ...(account === undefined ? {} : { QueueOwnerAWSAccountId: account }),
      }),
    );
    return answer.QueueUrl!;
  }
}
