/** What EC2 says of the formats of flow logs, asked once a destination, and only where lines tell nothing themselves. */

import { DEFAULT_FORMAT, parseFormat } from '../log-format.ts';
import type { LogFormat } from '../log-object.ts';
import {
  chooseFormat,
  type DescribeFlowLogs,
  describeFormat,
  type FlowLogDestination,
} from './describe-flow-logs.ts';
import { flowLogOfKey, s3Url } from './s3-keys.ts';
import { SourceError } from './source-error.ts';

export interface DescribedFormatsOptions {
  /** @param region undefined: the configured one */
  readonly describe: (region: string | undefined) => DescribeFlowLogs;
  /** How the user gives a format: `--format`, `WEIR_FORMAT`. */
  readonly option: string;
  /** A format was chosen, and why; once a destination. */
  readonly onChosen: (level: 'info' | 'warn', text: string) => void;
}

export class DescribedFormats {
  readonly #options: DescribedFormatsOptions;
  readonly #asked = new Map<string, Promise<LogFormat>>();

  constructor(options: DescribedFormatsOptions) {
    this.#options = options;
  }

  /**
   * The format of a log group.
   * @param account whose group it is, where several have groups of that name
   * @throws SourceError: it cannot be told, and the user has to
   */
  ofLogGroup(logGroup: string, account?: string): Promise<LogFormat> {
    return this.#once(`${account ?? ''} ${logGroup}`, { logGroup }, undefined);
  }

  /**
   * The format of an object of S3: that of the flow log which its name tells, else of those that write to the bucket.
   * @throws SourceError: it cannot be told, and the user has to
   */
  async ofObject(bucket: string, key: string): Promise<LogFormat> {
    const { region, flowLogId } = flowLogOfKey(key) ?? {};
    try {
      return await this.#once(`${bucket} ${region} ${flowLogId}`, { bucket, flowLogId }, region);
    } catch (error) {
      throw new SourceError(`${s3Url(bucket, key)} has no header; ${(error as Error).message}`, {
        cause: error,
      });
    }
  }

  #once(name: string, destination: FlowLogDestination, region: string | undefined): Promise<LogFormat> {
    const known = this.#asked.get(name);
    if (known !== undefined) return known;
    const asked = this.#ask(destination, region);
    this.#asked.set(name, asked);
    // What could not be told may be told the next time.
    asked.catch(() => this.#asked.delete(name));
    return asked;
  }

  async #ask(destination: FlowLogDestination, region: string | undefined): Promise<LogFormat> {
    const { describe, option, onChosen } = this.#options;
    const described = await describeFormat(destination, describe(region), parseFormat);
    const chosen = chooseFormat(described, destination, DEFAULT_FORMAT, option);
    if (chosen.format === undefined) throw new SourceError(chosen.text);
    onChosen(chosen.level, chosen.text);
    return chosen.format;
  }
}
