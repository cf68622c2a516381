import type { OtlpAnyValue, OtlpKeyValue } from "#lab/api/otlp.ts";

/** An attribute as plain JSON: numbers are numbers; integers beyond 2^53 and bytes stay text. */
export type AttributeValue =
  | string
  | number
  | boolean
  | null
  | readonly AttributeValue[]
  | { readonly [key: string]: AttributeValue };

/** Value of the first attribute with that key; `undefined` when there is none. */
export function attributeOf(
  attributes: readonly OtlpKeyValue[] | undefined,
  key: string,
): AttributeValue | undefined {
  const found = attributes?.find((attribute) => attribute.key === key);
  return found && plainValue(found.value);
}

/** Decodes OTLP's tagged value (https://opentelemetry.io/docs/specs/otel/common/#anyvalue). */
export function plainValue(value: OtlpAnyValue | undefined): AttributeValue {
  if (value === undefined) return null;
  if (value.stringValue !== undefined) return value.stringValue;
  if (value.boolValue !== undefined) return value.boolValue;
  if (value.doubleValue !== undefined) return value.doubleValue;
  if (value.intValue !== undefined) {
    const number = Number(value.intValue);
    return Number.isSafeInteger(number) ? number : String(value.intValue);
  }
  if (value.arrayValue) return (value.arrayValue.values ?? []).map(plainValue);
  if (value.kvlistValue) {
    const entries = (value.kvlistValue.values ?? []).map(
      (entry) => [entry.key, plainValue(entry.value)] as const,
    );
    return Object.fromEntries(entries);
  }
  return value.bytesValue ?? null;
}
