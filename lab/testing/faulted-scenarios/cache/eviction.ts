export { default } from "../../../../scenarios/cache/eviction.ts";
