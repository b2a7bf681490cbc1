// The records that a page holds: bounded, so that a tail that runs all night does not
// eat the browser's memory, and counted, so that nothing goes unseen without a word.

export interface Timed { time: number }

/** A list of at most `bound` records, the oldest first. */
export class Ring<T extends Timed> {
  private list: T[] = [];
  private first = 0; // of the list: what is before it is gone
  /** How many were let go at the old end since the ring was made or cleared. */
  gone = 0;

  constructor(readonly bound: number) {}

  get size(): number { return this.list.length - this.first; }

  /** The i-th record; 0 is the oldest. */
  at(i: number): T { return this.list[this.first + i]; }

  clear(): void {
    this.list = [];
    this.first = 0;
    this.gone = 0;
  }

  /**
   * Adds records. They come nearly in order: each is put where its time belongs, which
   * for the newest is the end. Returns how many were let go for it.
   */
  add(records: readonly T[]): number {
    for (const r of records) {
      let at = this.list.length;
      while (at > this.first && this.list[at - 1].time > r.time) at--;
      if (at === this.list.length) this.list.push(r); else this.list.splice(at, 0, r);
    }
    const over = Math.max(0, this.size - this.bound);
    this.first += over;
    this.gone += over;
    // Move the rest only now and then: shift() on every record is quadratic.
    if (this.first > this.bound / 4) {
      this.list = this.list.slice(this.first);
      this.first = 0;
    }
    return over;
  }

  /** Adds older records in front, oldest first, as far as there is room; returns how many. */
  prepend(records: readonly T[]): number {
    const room = this.bound - this.size;
    const kept = records.slice(Math.max(0, records.length - room));
    this.list = [...kept, ...this.list.slice(this.first)];
    this.first = 0;
    return kept.length;
  }

  /** The index of the first record at or after a time. */
  from(time: number): number {
    let low = 0, high = this.size;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.at(middle).time < time) low = middle + 1; else high = middle;
    }
    return low;
  }
}
