import { S3Error } from "./s3-error.ts";

const declaration = '<?xml version="1.0" encoding="UTF-8"?>\n';
const namespace = 'xmlns="http://s3.amazonaws.com/doc/2006-03-01/"';

const entities: Readonly<Record<string, string>> = {
  "&": "&amp;",
  "<": "&lt;",
  ">": "&gt;",
  '"': "&quot;",
  "'": "&apos;",
};
/** Control characters that XML can carry as a reference only; a bare carriage return would be read as a line feed. */
const special = /[&<>"'\p{Cc}]/gu;

export const escapeText = (text: string): string =>
  text.replace(
    special,
    (character) => entities[character] ?? `&#x${character.charCodeAt(0).toString(16)};`,
  );

/** A value is text, a nested element, or several elements of the same name; undefined leaves it out. */
export type XmlValue = string | number | boolean | undefined | XmlFields | readonly XmlValue[];
export interface XmlFields {
  readonly [name: string]: XmlValue;
}

const element = (name: string, value: XmlValue): string => {
  if (value === undefined) return "";
  if (Array.isArray(value)) return value.map((item: XmlValue) => element(name, item)).join("");
  if (typeof value === "object") return `<${name}>${fields(value as XmlFields)}</${name}>`;
  return `<${name}>${escapeText(String(value))}</${name}>`;
};
const fields = (record: XmlFields): string =>
  Object.entries(record)
    .map(([name, value]) => element(name, value))
    .join("");

/** A document in S3's namespace. */
export const document = (root: string, content: XmlFields): string =>
  `${declaration}<${root} ${namespace}>${fields(content)}</${root}>`;

/** Errors carry no namespace. */
export const errorDocument = (content: XmlFields): string =>
  `${declaration}<Error>${fields(content)}</Error>`;

/** One element of a request document. */
export interface Element {
  readonly name: string;
  readonly text: string;
  readonly children: readonly Element[];
}

const token = /<\?[^>]*\?>|<!--[\s\S]*?-->|<(\/?)([\w:.-]{1,80})(?:\s[^<>]*?)?(\/?)>|([^<]+)/y;
const deepest = 12;

/**
 * Reads the small documents that S3 clients send: elements and text, no mixed content. A DOCTYPE is
 * refused, so that no entity can be defined.
 * @throws S3Error `MalformedXML`.
 */
export function parse(source: string): Element {
  interface Open {
    readonly name: string;
    text: string;
    readonly children: Element[];
  }
  const top: Open = { name: "", text: "", children: [] };
  const stack: Open[] = [top];
  token.lastIndex = 0;
  while (token.lastIndex < source.length) {
    const match = token.exec(source);
    const open = stack.at(-1);
    if (match === null || open === undefined) throw new S3Error("MalformedXML");
    const [, slash, name, empty, text] = match;
    if (text !== undefined) open.text += text;
    else if (name !== undefined && slash === "/") {
      if (open.name !== name || stack.length === 1) throw new S3Error("MalformedXML");
      stack.pop();
      stack.at(-1)?.children.push({ ...open, text: unescapeText(open.text) });
    } else if (name !== undefined && empty === "/") {
      open.children.push({ name, text: "", children: [] });
    } else if (name !== undefined) {
      if (stack.length > deepest) throw new S3Error("MalformedXML");
      stack.push({ name, text: "", children: [] });
    }
  }
  const [root, ...more] = top.children;
  if (stack.length !== 1 || root === undefined || more.length > 0 || top.text.trim() !== "") {
    throw new S3Error("MalformedXML");
  }
  return root;
}

const named: Readonly<Record<string, string>> = {
  lt: "<",
  gt: ">",
  amp: "&",
  apos: "'",
  quot: '"',
};
const unescapeText = (text: string): string =>
  text.replace(/&(?:#x([0-9a-f]{1,6})|#(\d{1,7})|(\w{1,10}));/gi, (_, hex, decimal, name) => {
    if (name !== undefined) {
      const character = named[name];
      if (character === undefined) throw new S3Error("MalformedXML");
      return character;
    }
    const code = hex === undefined ? Number(decimal) : Number.parseInt(hex, 16);
    if (code > 0x10ffff) throw new S3Error("MalformedXML");
    return String.fromCodePoint(code);
  });

export const child = (parent: Element, name: string): Element | undefined =>
  parent.children.find((candidate) => candidate.name === name);
export const childText = (parent: Element, name: string): string | undefined =>
  child(parent, name)?.text.trim();
export const childrenOf = (parent: Element, name: string): readonly Element[] =>
  parent.children.filter((candidate) => candidate.name === name);
