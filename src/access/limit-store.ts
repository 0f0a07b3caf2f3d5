/** A number of jobs per window; windows are fixed and begin with the first job. */
export interface WindowLimit {
  /** Tells this limit from others in the store: `minute`, `day`. */
  readonly name: string;
  readonly most: number;
  readonly windowSeconds: number;
}

/** Where the counts of clients are kept; shared by replicas or not. */
export interface LimitStore {
  /** Counts one job. Gives the milliseconds until the window ends when it was one too many, else `undefined`. */
  take(limit: WindowLimit, client: string): Promise<number | undefined>;
  /** Takes a job out of the count again. */
  giveBack(limit: WindowLimit, client: string): Promise<void>;
  /** Takes a place for a job that runs; false when `most` are taken. A place that nobody gives back is free in time. */
  hold(client: string, jobId: string, most: number): Promise<boolean>;
  letGo(client: string, jobId: string): Promise<void>;
  close(): Promise<void>;
}
