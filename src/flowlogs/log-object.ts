/** What a source of flow logs hands over, and what it is told of it. */

/** The format of lines: field names in their order, as AWS spells them (`srcaddr`). */
export interface LogFormat {
  readonly fields: readonly string[];
}

/** Text: decompressed octets, cut anywhere. */
export interface TextContent {
  readonly kind: 'text';
  /** Files and S3 objects begin with a header line; what comes from CloudWatch Logs or Kinesis has none. */
  readonly header: 'first-line' | 'none';
  /** Throws (rejects) where the object ends too early, is no gzip, …: what came before has been handed over and counts. */
  chunks(): AsyncIterable<Uint8Array>;
}

export interface ParquetContent {
  readonly kind: 'parquet';
  readonly file: {
    readonly byteLength: number;
    slice(start: number, end?: number): Promise<ArrayBuffer>;
  };
}

/**
 * A format (--format, or that of a log group), or how to ask for it, which is done where lines have no header.
 * It rejects where it cannot be told: the object was not read then, and its source decides what that means.
 */
export type KnownFormat = LogFormat | (() => Promise<LogFormat>);

/** One object of flow logs: a file, an S3 object, a batch of CloudWatch events. */
export interface LogObject {
  /** Its place, for messages: a path, `s3://bucket/key`, `cloudwatch://group/stream`, `standard input`. */
  readonly name: string;
  /** As it is stored, where known: for the progress bar. */
  readonly storedOctets: number | undefined;
  readonly content: TextContent | ParquetContent;
  /** What is known of the format from elsewhere; a header line or a schema goes before it. */
  readonly format: KnownFormat | undefined;
}

export interface LogSource {
  /** In the order of their export; the source fetches ahead as it likes. Ends, or with follow goes on until the signal. */
  objects(signal: AbortSignal): AsyncIterable<LogObject>;
  /** Every record of the object has left, but for what a format cannot carry. Called once an object, in order, before the next is taken. */
  exported(object: LogObject): Promise<void>;
  /**
   * Where the object could not be read to its end (truncated gzip, cut Parquet, vanished), or records of it were lost on the
   * way (RecordsNotSentError). Called instead of exported.
   * @throws what ends the source, if this does; it names the object then, and nothing else says so
   */
  failed(object: LogObject, error: Error): Promise<void>;
  /** Plain counters, read at scrape and by the progress bar. */
  readonly found: { objects: number; storedOctets: number }; // known so far
  readonly vanished: number;
  readonly retries?: number;
  /** Octets read so far, of those that are stored; without, an object counts when it is done. */
  readonly readOctets?: number;
}
