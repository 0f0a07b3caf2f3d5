/** The levels of the project and their order, as the numbers pino wants. */
export const LEVELS = { debug: 20, info: 30, warning: 40, error: 50, critical: 60 } as const;

export type Level = keyof typeof LEVELS;
