import { createInterface } from "node:readline";

type Message = Readonly<Record<string, unknown>>;

/** Writes a line of JSON on standard output, for the process that started this one. */
export function tell(message: Message): void {
  process.stdout.write(`${JSON.stringify(message)}\n`);
}

/** Answers each line of JSON on standard input with one on standard output, until the input ends. */
export async function answerLines(answer: (message: Message) => Promise<Message>): Promise<void> {
  for await (const line of createInterface(process.stdin)) {
    const message: Message = JSON.parse(line);
    tell(await answer(message));
  }
}

/** Runs the work `count` times, this many at once. */
export async function repeat(count: number, concurrency: number, work: () => Promise<void>): Promise<void> {
  let started = 0;
  const lane = async (): Promise<void> => {
    while (started++ < count) await work();
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
}
