export { default } from "../../../../scenarios/db/missing-index.ts";
