/** `GET` {@link routes.search}, newest first, in the words of Tempo's search. */
export interface SearchBody {
  readonly traces: readonly {
    readonly traceID: string;
    readonly rootServiceName: string;
    readonly rootTraceName?: string;
    readonly startTimeUnixNano: string;
    /** Whole milliseconds; absent below one. */
    readonly durationMs?: number;
    readonly spanSet?: {
      /** Spans the query is true of; `spans` holds the first of them. */
      readonly matched: number;
      readonly spans: readonly { readonly spanID: string }[];
    };
    readonly serviceStats?: Readonly<
      Record<string, { readonly spanCount: number; readonly errorCount?: number }>
    >;
  }[];
}
/** `GET` {@link routes.tags}. */
export interface TagsBody {
  readonly scopes: readonly { readonly name: string; readonly tags: readonly string[] }[];
}
/** `GET` {@link routes.tagValues}. */
export interface TagValuesBody {
  readonly tagValues: readonly { readonly type: string; readonly value?: string }[];
}
