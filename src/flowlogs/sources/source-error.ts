/** A source that cannot go on, for a reason that the user can mend; the message says which. */
export class SourceError extends Error {
  constructor(message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = 'SourceError';
  }
}
