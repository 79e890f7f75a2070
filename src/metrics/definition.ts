/** What a metric is: a name, a help, and how to read its values. */

/** Gives a metric one value, under labels where it has any. */
export type Sample = (value: number, labels?: Readonly<Record<string, string>>) => void;

export interface Definition {
  readonly kind: 'counter' | 'gauge';
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
  /** Called at a scrape. */
  readonly read: (sample: Sample) => void;
}
