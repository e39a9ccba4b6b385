declare module 'kubedl:events/raw-event@0.1.0' {
  /**
   * `index` as in the list that `save-events` was given; none beyond its end and outside `save-events`.
   */
  export function get(index: number): string | undefined;
}
