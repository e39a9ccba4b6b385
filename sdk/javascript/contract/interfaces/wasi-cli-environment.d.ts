declare module 'wasi:cli/environment@0.2.0' {
  /**
   * Name and value of each variable.
   */
  export function getEnvironment(): Array<[string, string]>;
  /**
   * A sink gets none.
   */
  export function getArguments(): Array<string>;
  /**
   * A sink has none.
   */
  export function initialCwd(): string | undefined;
}
