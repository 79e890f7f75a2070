/** Fetches several things ahead, and hands them over in their order. */

export interface AheadLimits {
  /** In the works at a time, with the one that is being exported. */
  readonly objects: number;
  /** Held in memory at a time; one that is larger is fetched when it is alone. */
  readonly octets: number;
}

export interface Ahead<Item, Got> {
  readonly item: Item;
  readonly got: Promise<Got>;
}

/**
 * @param items in the order in which they are handed over
 * @param octetsOf what an item will hold in memory once it is fetched
 * @param fetch begins at once; a rejection is the caller's, when the item's turn comes
 */
export async function* fetchAhead<Item, Got>(
  items: AsyncIterable<Item>,
  octetsOf: (item: Item) => number,
  fetch: (item: Item) => Promise<Got>,
  limits: AheadLimits,
): AsyncGenerator<Ahead<Item, Got>> {
  const queue: (Ahead<Item, Got> & { readonly octets: number })[] = [];
  let held = 0;
  let stopped = false;
  let end: { readonly error?: unknown } | undefined;
  let wakeTaker = (): void => {};
  let wakeFiller = (): void => {};

  const fill = async (): Promise<void> => {
    for await (const item of items) {
      const octets = octetsOf(item);
      while (
        !stopped &&
        queue.length > 0 &&
        (queue.length >= limits.objects || held + octets > limits.octets)
      ) {
        await new Promise<void>((resolve) => {
          wakeFiller = resolve;
        });
      }
      if (stopped) return;
      const got = fetch(item);
      // Whoever takes it sees the rejection; until then it is nobody's.
      got.catch(() => {});
      queue.push({ item, got, octets });
      held += octets;
      wakeTaker();
    }
  };
  fill()
    .then(
      () => {
        end = {};
      },
      (error: unknown) => {
        end = { error };
      },
    )
    .finally(() => wakeTaker());

  try {
    for (;;) {
      const first = queue[0];
      if (first !== undefined) {
        yield first;
        queue.shift();
        held -= first.octets;
        wakeFiller();
      } else if (end !== undefined) {
        if ('error' in end) throw end.error;
        return;
      } else {
        await new Promise<void>((resolve) => {
          wakeTaker = resolve;
        });
      }
    }
  } finally {
    stopped = true;
    wakeFiller();
  }
}
