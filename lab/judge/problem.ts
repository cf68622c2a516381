/** Where in a scenario something is wrong, e.g. `expect[2].select.attributes`, and what. */
export interface Problem {
  readonly path: string;
  readonly message: string;
}
