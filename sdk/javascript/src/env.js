// The sink's environment: what the operator's grant gives, nothing else.
import { getEnvironment } from "#host";
import { Misconfigured } from "./errors.js";

export function get(name) {
  const found = getEnvironment().find(([key]) => key === name);
  return found?.[1] || undefined;
}

export function require(name) {
  const value = get(name);
  if (value === undefined) throw new Misconfigured(`the variable ${name} is not set`);
  return value;
}
