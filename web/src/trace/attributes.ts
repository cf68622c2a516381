import type { OtlpAnyValue, OtlpKeyValue } from "#lab/api/otlp.ts";

/** An attribute's value as plain data. 64-bit integers beyond 2^53 stay text. */
export type PlainValue =
  | string
  | number
  | boolean
  | null
  | readonly PlainValue[]
  | { readonly [key: string]: PlainValue };

/** OTLP's tagged value as plain data. */
export function plainValue(value: OtlpAnyValue | undefined): PlainValue {
  if (value === undefined) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.intValue !== undefined) {
    const number = Number(value.intValue);
    return Number.isSafeInteger(number) ? number : String(value.intValue);
  }
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.bytesValue !== undefined) return value.bytesValue;
  if (value.arrayValue !== undefined) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.kvlistValue !== undefined) return Object.fromEntries(entries(value.kvlistValue.values));
  return null;
}

/** Key and plain value of each attribute, in the order they were sent. */
export const entries = (list: readonly OtlpKeyValue[] = []): [string, PlainValue][] =>
  list.map(({ key, value }) => [key, plainValue(value)]);

/** One attribute as text, or undefined when it is absent. */
export function textOf(list: readonly OtlpKeyValue[] | undefined, key: string): string | undefined {
  const value = list?.find((attribute) => attribute.key === key)?.value;
  return value === undefined ? undefined : showValue(plainValue(value));
}

/** A value on one line. */
export const showValue = (value: PlainValue): string =>
  typeof value === "object" ? JSON.stringify(value) : String(value);
