/** The value of a variable that the grant gives; undefined where it is unset or empty. */
export function get(name: string): string | undefined;

/** As `get`; throws `Misconfigured` (`the variable NAME is not set`) where it is absent. */
export function require(name: string): string;
