/** A source that cannot go on, for a reason that the user can mend; the message says which. */
export class SourceError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SourceError';
  }
}

/** An object was read, and some of its records did not reach a Collector: it is as good as not exported. */
export class RecordsNotSentError extends Error {}
